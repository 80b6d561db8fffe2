"""Sets of samples that somebody made: read from folders, .npz and .npy files or arrays, and written to them.

- :mod:`bench.datasets.samples.reading` reads any of these as the values that judges measure;
- :mod:`bench.datasets.samples.writing` writes samples piece by piece.
"""
