"""Paths, errors, files, signals and processes: all that knows nothing of runs."""
