"""Reads and writes photographs: orientation applied, sRGB, metadata kept, atomic writes.

from colorizer import photos
photo = photos.read("old.jpg")
"""

from colorizer.photos.photo import (
    EXTENSIONS,
    FORMATS,
    JPEG_QUALITY,
    MAX_PIXELS,
    ONLY_READ,
    Photo,
    from_image,
    is_photo_name,
    probe,
    read,
    shown_size,
    to_uint8,
    with_pixels,
    write,
    written_suffix,
)
from colorizer.photos.writer import SUFFIXES

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "JPEG_QUALITY",
    "MAX_PIXELS",
    "ONLY_READ",
    "Photo",
    "SUFFIXES",
    "from_image",
    "is_photo_name",
    "probe",
    "read",
    "shown_size",
    "to_uint8",
    "with_pixels",
    "write",
    "written_suffix",
]
