"""What happened: runs, and the Lightning side of writing them down."""
