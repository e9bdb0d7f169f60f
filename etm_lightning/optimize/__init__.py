"""What to try next: studies and their results."""
