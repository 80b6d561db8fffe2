"""A comparison of runs as one self-contained HTML page."""
