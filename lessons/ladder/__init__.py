"""The ladder: which parts of an unfinished backend work, one rung at a time, and what comes next.
The NumPy backend, from which the exercise is made, is the reference."""
