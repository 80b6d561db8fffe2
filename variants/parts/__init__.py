"""Optional parts of a GAN, one file each: the knobs that switch it on, and what computes it.

A variant's `Hyperparameters` inherits the groups of knobs that make sense for it. Every part is off by
default. The families apply the parts whose groups the hyperparameters inherit.
"""
