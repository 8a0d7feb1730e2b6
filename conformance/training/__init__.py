"""Training: optimizer steps, long runs, resuming, and the life of models and trainers."""
