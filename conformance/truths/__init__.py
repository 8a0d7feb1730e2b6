"""The references of the suite that are not other backends."""
