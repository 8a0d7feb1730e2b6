"""Trainers: optimizer steps, long trainings, resuming, and the life of its objects."""
