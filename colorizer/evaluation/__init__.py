"""Scores: test pictures and runs in, numbers out. Writes no page and draws no figure."""
