"""Frozen networks that turn pictures into four mixed maps: backbone, then projection."""
