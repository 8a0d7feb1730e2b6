"""The ladder: which parts of an unfinished backend work, one rung at a time, and what comes next.

Made for impls/exercise, but it climbs with any backend of shared/protocol.py. What is right is what
the NumPy backend gives.
"""
