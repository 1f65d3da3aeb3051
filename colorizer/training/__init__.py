"""Training: a configuration in, a run's record out."""
