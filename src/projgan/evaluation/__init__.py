"""Numbers about generated pictures: features of pictures, then statistics of features."""
