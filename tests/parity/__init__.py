"""Comparison with numbers of the reference implementation."""
