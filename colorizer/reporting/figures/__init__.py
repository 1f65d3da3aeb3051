"""Plots, contact sheets and galleries."""
