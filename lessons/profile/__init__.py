"""Where the time and memory of a training step go."""
