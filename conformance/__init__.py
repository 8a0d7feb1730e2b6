"""The specification, as tests. They know backends by the protocol of shared/backend.py only."""
