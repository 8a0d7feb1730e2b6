"""The real GPT-2 in all three backends."""
