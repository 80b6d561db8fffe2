"""Layers and networks that several variants share."""
