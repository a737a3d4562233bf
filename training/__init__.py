"""Training; it imports `models` and `scoring`, which do not import each other."""
