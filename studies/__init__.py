"""Hyperparameter studies: the files that say what to search."""
