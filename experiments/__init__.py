"""Experiments behind choices of the project. Each prints JSON lines; its record is in results/experiments/."""
