"""Fault suites: what was saved stays, whatever happens to the machine."""
