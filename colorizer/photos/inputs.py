"""Takes a photograph as an array, a picture of Pillow, a `Photo` or a file, and gives results of the same kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from colorizer import images, photos
from colorizer.errors import ArgumentError

Picture = np.ndarray | Image.Image | photos.Photo | str | Path


def open_any(picture: Picture) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """Returns the pixels of a photograph, and a function that puts new pixels into the same kind of thing.

    Args:
        picture: (H, W, 3), (H, W, 1) or (H, W) uint8 or uint16 sRGB, a picture of Pillow, a `photos.Photo` or a file.

    Returns:
        `rgb` (H, W, 3) uint8 or uint16, and a function from such an array to an array, a picture of
        Pillow, or (for a file or a `Photo`) a `Photo` with the metadata of the file.

    Raises:
        ArgumentError: it is none of these, is empty, or has no stated range.
        PhotoError: the file cannot be read.
    """
    if isinstance(picture, np.ndarray):
        gray = picture[..., None] if picture.ndim == 2 else picture
        rgb = np.repeat(gray, 3, axis=-1) if gray.shape[2:] == (1,) else picture
        return images.require_photo(rgb), lambda pixels: pixels
    if isinstance(picture, Image.Image):
        photo = photos.from_image(picture)
        return photo.rgb, lambda pixels: photos.with_pixels(photo, pixels).to_image()
    if isinstance(picture, (str, os.PathLike)):
        picture = photos.read(picture)
    if isinstance(picture, photos.Photo):
        return images.require_photo(picture.rgb), lambda pixels: photos.with_pixels(picture, pixels)
    raise ArgumentError(
        f"A photo is an array, a picture of Pillow, a file's path or a photos.Photo. Received: {type(picture).__name__}"
    )
