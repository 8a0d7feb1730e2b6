"""The specification, as tests. They know backends by the protocol of shared/protocol.py only."""
