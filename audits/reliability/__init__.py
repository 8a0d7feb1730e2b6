"""What is too slow for `tests`: trainings killed, checkpoints corrupted, strings of all Unicode."""
