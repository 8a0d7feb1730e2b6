"""What the suite compares with, where it is not another backend."""
