"""Using a trained generator: latents from seeds, walks between latents, and films.

Nothing here trains, and nothing here knows where a generator came from.
"""
