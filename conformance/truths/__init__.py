"""The references of the suite besides other backends."""
