"""The worked domain: BERT for texts and tokens."""
