"""Files that are no picture, broken ones and too large ones: one clear line each."""

import pickle
import struct
import zlib

import cv2
import numpy as np
import PIL
import pytest
from PIL import Image
from shots import GRAY, RGB, png16

from colorizer import photos
from colorizer.errors import PhotoError
from colorizer.photos import reader


def whole_file(suffix) -> bytes:
    """A picture's bytes; with noise, so that its pixels take more than its header."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    return cv2.imencode(suffix, noise)[1].tobytes()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", r"empty file \(0 bytes\)"),
        (
            b"This is a shopping list, renamed.",
            "not a JPEG, PNG, WebP, .* or HEIC picture",
        ),
        (b"GIF89a" + bytes(40), "not a readable picture|truncated or damaged"),
        (b"\xff\xd8\xff", "not a readable picture|truncated or damaged"),
        (b"II*\0", "not a readable picture|truncated or damaged"),
        (b"BM and more words", "not a readable picture|truncated or damaged"),
        (b"RIFF\x10\0\0\0WAVEfmt and sound", "not a readable picture|truncated or damaged"),
        (b"\0\0\0\x20ftypisom and a film", "not a JPEG, PNG, WebP, .* or HEIC picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30), "not a readable picture|truncated or damaged"),
        (b"\0\0\0\x20ftypavif" + bytes(30), "not a readable picture|truncated or damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "not a readable picture|truncated or damaged"),
    ],
)
def test_what_is_no_picture_gives_one_clear_line(tmp_path, content, reason):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match=reason) as caught:
        photos.read(path)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value) and caught.value.path == str(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_truncated_files_give_one_clear_line(tmp_path, suffix, share):
    content = whole_file(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PhotoError, match="truncated or damaged|not a readable picture") as caught:
        photos.read(path)
    assert "\n" not in str(caught.value)


def test_truncated_16_bit_files_give_one_clear_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (64, 64, 3)).astype(np.uint16)
    for suffix in (".png", ".tif"):
        content = cv2.imencode(suffix, noise)[1].tobytes()
        (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(PhotoError, match="truncated or damaged|not a readable picture"):
            photos.read(tmp_path / f"a{suffix}")


def test_missing_files_and_folders_give_one_clear_line(tmp_path):
    with pytest.raises(PhotoError, match="absent.jpg: cannot be read: No such file"):
        photos.read(tmp_path / "absent.jpg")
    with pytest.raises(PhotoError, match="cannot be read: Is a directory"):
        photos.read(tmp_path)


def test_the_pixel_limit(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    assert photos.read(path, max_pixels=40 * 60).rgb.shape == RGB.shape
    with pytest.raises(PhotoError, match="too large: 60 x 40 = 0.0 megapixels; the limit is 0.0"):
        photos.read(path, max_pixels=40 * 60 - 1)


def test_decompression_bombs_are_refused_before_they_go_off(tmp_path):
    header = png16(np.zeros((1, 1), np.uint16), 0)
    size = struct.pack(">II", 100_000, 100_000)
    ihdr = b"IHDR" + size + header[24:29]
    (tmp_path / "a.png").write_bytes(header[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + header[33:])
    with pytest.raises(PhotoError, match="100000 x 100000 = 10000.0 megapixels; the limit is 200.0"):
        photos.read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".gif", ".webp"])
def test_pillows_own_limit_neither_speaks_nor_refuses(tmp_path, suffix, monkeypatch):
    """As if these were pictures of 180 megapixels, from which on Pillow refuses what Image.open opens."""
    Image.fromarray(GRAY).save(tmp_path / f"a{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(reader, "BAND_PIXELS", 60)
    if suffix == ".webp" and int(PIL.__version__.partition(".")[0]) >= 13:  # its only door; a WebP can have 268
        with pytest.raises(PhotoError, match="over 179 megapixels.*save it as PNG or TIFF"):
            photos.read(tmp_path / f"a{suffix}")
    else:
        assert photos.read(tmp_path / f"a{suffix}").rgb.shape == RGB.shape


@pytest.mark.parametrize("kind", ["float32", "uint32"])
def test_pixels_that_cannot_be_shown_faithfully_are_refused(tmp_path, kind):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, (GRAY / 255).astype(kind) if kind == "float32" else GRAY.astype(kind) << 20)
    with pytest.raises(PhotoError, match={"float32": "floating-point", "uint32": "32-bit integer"}[kind]):
        photos.read(path)


def test_arrays_outlive_their_file(tmp_path):
    path = tmp_path / "a.bmp"  # uncompressed: what Pillow maps into memory where it may
    Image.fromarray(RGB).save(path)
    photo = photos.read(path)
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(photo.rgb, RGB)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(PhotoError("a.jpg", "two\n lines")))
    assert (str(error), error.path, error.reason) == ("a.jpg: two lines", "a.jpg", "two lines")


def test_photo_names():
    yes = ["a.jpg", "a.JPG", "b/c.jpeg", "a.png", "a.webp", "a.tif", "a.TIFF", "a.bmp", "a.b.jpg", "a.gif"]
    no = ["a.txt", "a", "jpg", ".jpg", "._a.jpg", ".hidden.png", "a.jpg.part", "a.svg"]
    assert [n for n in yes + no if photos.is_photo_name(n)] == yes
