"""Steering: colors that a person, a sidecar file or a reference photo asks for, at some places of a photo."""
