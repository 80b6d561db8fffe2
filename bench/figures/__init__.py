"""Figures: of one run, of several, and the sample grids; all in one look, and repeatable to the byte."""
