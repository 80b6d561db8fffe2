"""Reporting renders a comparison of runs, with its tables and figures, as one self-contained HTML page."""
