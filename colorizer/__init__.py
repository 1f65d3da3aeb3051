"""Automatic image colorization in Keras.

A reproduction of "Image Colorization Enhancement using Transfer Learning"
(Beniwal, Neelisetty, Pakanati), the systems it is compared with, and a tool
that colorizes photographs. Importing this package imports no Keras backend.
"""

__version__ = "0.1.0"
