"""What a run is made of: typed sections, presets, and how a file and options become one config."""
