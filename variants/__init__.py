"""Generative adversarial networks of the boundary-equilibrium family, one file each.

A variant holds its networks, its hyperparameters and its losses; it knows nothing of
training loops, tracking stores, searches or command lines.
"""
