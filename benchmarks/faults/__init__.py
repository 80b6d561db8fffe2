"""Faults that are provoked: what is wrong with a request or a machine, and how the program must end."""
