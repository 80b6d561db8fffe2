"""Carrying runs out: one or several, resumed, verified or evaluated again."""
