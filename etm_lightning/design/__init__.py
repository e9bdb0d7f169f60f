"""What will be tried: the schema of an experiment."""
