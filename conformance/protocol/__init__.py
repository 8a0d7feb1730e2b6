"""What a backend accepts, and what it must refuse."""
