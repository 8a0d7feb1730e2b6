"""Every preset, trained in every backend: the table in the README."""
