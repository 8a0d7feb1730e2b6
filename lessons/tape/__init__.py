"""Automatic differentiation from scratch, and a GPT that needs no backward pass of its own.

nox -s conformance -- --backend numpy --backend lessons.tape
"""
