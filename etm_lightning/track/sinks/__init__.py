"""Where else the records of a run go: one module for each kind of sink."""
