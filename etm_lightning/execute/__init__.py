"""Make it happen: build from a config, train, test."""
