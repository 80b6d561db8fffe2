"""Losses and updates that several variants share."""
