"""Layers and networks that several variants are built of."""
