"""A run's folder: description, record, checkpoints, and its generator."""
