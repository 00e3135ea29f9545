"""Small layers, one idea a file: spectral norm, upsampling, gated unit, excitation, noise."""
