"""The commands of `etm`, by what they are for."""
