"""The driver of the SDK checks: toolchains build, procs start, clients ask, checks judge.

Python's standard library only, 3.9 or newer.
"""
