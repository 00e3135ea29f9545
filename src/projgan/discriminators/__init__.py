"""Discriminators: heads trained on frozen, projected features."""
