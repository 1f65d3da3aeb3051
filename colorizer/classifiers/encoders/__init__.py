"""Encoders that are no classifiers: Vision Transformers, how they are fetched and loaded."""
