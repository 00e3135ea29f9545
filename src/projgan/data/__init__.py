"""Pictures: found, judged, made square once, and handed to training as pixels."""
