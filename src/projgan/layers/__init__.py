"""Small layers, one idea a file: spectral norm, gated linear unit, skip excitation, noise."""
