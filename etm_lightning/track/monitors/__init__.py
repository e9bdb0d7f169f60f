"""What can be measured of any training: each is a `Measuring` with one question."""
