"""All three backends trained side by side: python -m lessons.compare"""
