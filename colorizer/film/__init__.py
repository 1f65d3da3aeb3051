"""Colorizes films: every frame keeps its luminance, and colors move with what they belong to.

A network sees key frames only. Optical flow carries their colors to the frames between, see `carry`.
"""
