"""The command lines of every backend: train, sample, and their options."""
