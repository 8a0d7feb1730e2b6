"""The ladder: which parts of an unfinished backend work, one rung at a time, and what comes next.

Made for impls/exercise, but it works with any backend of shared/protocol.py. The NumPy backend is
the reference.
"""
