"""Training: what it takes to learn; knows models and scoring, which do not know each other."""
