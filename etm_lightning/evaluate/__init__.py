"""What the results mean: replicates, leaderboards, summaries of series."""
