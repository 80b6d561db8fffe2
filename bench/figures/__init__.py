"""Figures of one run and of several, and the sample grids; the same run always gives the same bytes."""
