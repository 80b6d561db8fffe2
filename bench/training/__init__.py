"""The training loop, and how its steps are computed."""
