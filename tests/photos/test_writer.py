"""Writing photographs: whole files of the right kind, or what was there before."""

import logging

import numpy as np
import pytest
from PIL import Image
from shots import ALPHA, DEEP, LOSSLESS, RGB, hidden_white

from colorizer import photos
from colorizer.errors import PhotoError


@pytest.mark.parametrize("suffix", photos.EXTENSIONS)
def test_every_extension_is_written_as_what_it_says(tmp_path, suffix):
    path = tmp_path / f"a{suffix.upper()}"
    photos.write(path, RGB)
    photo = photos.read(path)
    assert photo.metadata["format"] == photos.FORMATS[suffix]
    error = np.abs(photo.rgb.astype(int) - RGB)
    assert error.max() == 0 if suffix in (*LOSSLESS, ".tiff") else error.mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("alpha", [None, ALPHA * np.uint16(257)])
def test_16_bits_are_written_where_the_format_holds_them(tmp_path, suffix, alpha):
    path = tmp_path / f"a{suffix}"
    photos.write(path, photos.Photo(DEEP, alpha))
    photo = photos.read(path)
    np.testing.assert_array_equal(photo.rgb, DEEP if alpha is None else hidden_white(DEEP, alpha))
    if alpha is not None:
        np.testing.assert_array_equal(photo.alpha, alpha)


def test_16_bits_are_rounded_where_the_format_does_not_hold_them(tmp_path, caplog):
    photos.write(tmp_path / "a.bmp", DEEP)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.bmp").rgb, np.rint(DEEP / 257))
    assert "a.bmp: BMP holds 8 bits" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_written(tmp_path, suffix):
    photos.write(tmp_path / f"a{suffix}", RGB, ALPHA)
    photo = photos.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.alpha, ALPHA)
    if suffix != ".webp":
        np.testing.assert_array_equal(photo.rgb, hidden_white(RGB, ALPHA))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_where_a_format_has_no_transparency_the_picture_is_laid_on_white_with_a_note(tmp_path, suffix, depth, caplog):
    scale = np.iinfo(depth).max // 255
    with caplog.at_level(logging.WARNING):
        photos.write(tmp_path / f"a{suffix}", RGB.astype(depth) * depth(scale), ALPHA.astype(depth) * depth(scale))
    assert f"a{suffix}" in caplog.text and "no transparency; the picture is laid on white" in caplog.text
    photo = photos.read(tmp_path / f"a{suffix}")
    share = ALPHA[..., None] / 255
    difference = np.abs(photo.rgb - (RGB * share + 255 * (1 - share)))
    assert photo.alpha is None and (difference.max() <= 1 if suffix == ".bmp" else difference.mean() < 3)


ABOUT = {"text": {"Title": "A mill", "Author": "N. N."}, "xmp": b"<x/>", "iptc": b"\x1c\x02\x05\0\1a"}
TEXTS = "holds no texts of a PNG; they are left out: Title, Author"


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".png", []),
        (".jpg", [f"JPEG {TEXTS}"]),
        (".tif", [f"TIFF {TEXTS}"]),
        (".webp", ["WEBP holds no IPTC; it is left out", f"WEBP {TEXTS}"]),
        (".bmp", [*(f"BMP holds no {one}; it is left out" for one in ("EXIF", "XMP", "IPTC")), f"BMP {TEXTS}"]),
    ],
)
def test_metadata_that_a_format_does_not_hold_are_named(tmp_path, suffix, expected):
    about = ABOUT | {"exif": Image.Exif().tobytes(), "xmp_extension": () if suffix != ".bmp" else (b"more",)}
    assert photos.write(tmp_path / f"a{suffix}", photos.Photo(RGB, metadata=about)) == expected
    many = {"text": {f"key {n}": "" for n in range(9)}}
    notes = photos.write(tmp_path / f"b{suffix}", photos.Photo(RGB, metadata=many))
    assert not notes or notes[0].endswith(": key 0, key 1, key 2, key 3, key 4 and more")


def test_jpeg_keeps_its_colors_at_full_resolution(tmp_path):
    photos.write(tmp_path / "a.jpg", RGB)
    Image.fromarray(RGB).save(tmp_path / "95.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image, Image.open(tmp_path / "95.jpg") as reference:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
        assert image.quantization == reference.quantization


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jpg.txt"])
def test_unknown_extensions_are_refused_with_a_list(tmp_path, name):
    with pytest.raises(PhotoError, match=r"\.jpg, \.jpeg.*\.png.*Received: '(\.gif|\.txt|)'"):
        photos.write(tmp_path / name, RGB)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"the old file")

    def half_way(self, file, *args, **kwargs):
        file.write(b"half a pict")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half_way)
    with pytest.raises(PhotoError, match="a.png: cannot be written: No space left on device"):
        photos.write(path, RGB)
    assert path.read_bytes() == b"the old file" and list(tmp_path.iterdir()) == [path]


def test_a_picture_too_wide_for_its_format_is_a_clear_error(tmp_path):
    with pytest.raises(PhotoError, match="a.webp: cannot be written"):
        photos.write(tmp_path / "a.webp", np.zeros((2, 20_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
