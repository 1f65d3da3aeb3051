"""Colorizing photographs with a trained network."""
