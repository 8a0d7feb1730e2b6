"""Inputs that a backend accepts, and inputs that it must refuse."""
