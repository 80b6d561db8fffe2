"""Variants of generative adversarial networks, one file each.

A variant defines networks, hyperparameters and losses. It depends on no training loop, tracking store,
search or command line. :mod:`variants.base` is the contract; modules and families are shared parts.
"""
