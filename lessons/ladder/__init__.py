"""The ladder: how far somebody's backend is right, one rung at a time, and what comes next.

Made for impls/exercise, but it climbs with any backend of shared/protocol.py. What is right is what
the NumPy room gives.
"""
