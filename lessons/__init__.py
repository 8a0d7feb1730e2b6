"""What lays the three backends side by side."""
