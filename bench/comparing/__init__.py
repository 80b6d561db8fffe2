"""Comparing turns several finished runs into result tables: groups of seeds, intervals, comparability."""
