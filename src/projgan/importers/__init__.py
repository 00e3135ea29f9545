"""Weights of others, read from their files without running anything that is in them."""
