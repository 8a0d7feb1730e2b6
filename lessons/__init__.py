"""Lessons that compare and explain the three backends."""
