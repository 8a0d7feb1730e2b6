"""A training run: the loop, its directory, metrics, plots, and when it stops."""
