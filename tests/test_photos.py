"""Reading and writing photographs: every kind of file is made here."""

import logging
import os
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image, ImageCms

from colorizer import photos

RGB = draw_picture(7, 80, 120)[::2, ::2].copy()
GREY = RGB[..., 1]
DEEP = RGB.astype(np.uint16) * 257 - (np.arange(60, dtype=np.uint16)[:, None] % 200) * (RGB > 100)
ALPHA = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
LOSSLESS = (".png", ".tif", ".bmp")


def png16(array, colour_type, chunks=()):
    """The bytes of a 16-bit PNG of any colour type; Pillow and OpenCV do not write grey with alpha."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def oriented(array, orientation):
    """What a camera held in this orientation stores for an upright `array`; NumPy only."""
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(stored[orientation](array))


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_files_are_read_exactly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path)
    photo = photos.read(path)
    np.testing.assert_array_equal(photo.rgb, RGB)
    assert photo.rgb.dtype == np.uint8 and photo.alpha is None and photo.grey is False
    assert photo.metadata["format"] == photos.FORMATS[suffix]


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_are_read_as_pillow_reads_them(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path, quality=90)
    with Image.open(path) as image:
        np.testing.assert_array_equal(photos.read(path).rgb, np.asarray(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_applied_and_reset(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    path = tmp_path / f"a{suffix}"
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(oriented(RGB, orientation)).save(path, exif=exif, **options)
    photo = photos.read(path)
    assert photo.rgb.shape == RGB.shape
    assert np.abs(photo.rgb.astype(int) - RGB).max() <= (12 if suffix == ".jpg" else 0)
    kept = Image.Exif()
    kept.load(photo.metadata["exif"])
    assert dict(kept) == {0x010F: "a camera"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_orientation_of_16_bit_colour_is_applied(tmp_path, suffix, alpha, orientation):
    upright = np.dstack([DEEP, ALPHA * np.uint16(257)]) if alpha else DEEP
    stored = oriented(upright, orientation)
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        tag = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
        path.write_bytes(png16(stored, 6 if alpha else 2, [(b"eXIf", tag)]))
    else:
        tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
        extra = {"extrasamples": ["unassalpha"]} if alpha else {}
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, stored, photometric="rgb", extratags=tags, metadata=None, **extra)
    photo = photos.read(path)
    assert photo.rgb.dtype == np.uint16
    np.testing.assert_array_equal(photo.rgb, DEEP)
    if alpha:
        np.testing.assert_array_equal(photo.alpha, upright[..., 3])


@pytest.mark.parametrize(
    "mode, suffix", [("L", ".png"), ("L", ".tif"), ("L", ".bmp"), ("1", ".png"), ("1", ".tif"), ("1", ".bmp")]
)
def test_grey_and_one_bit(tmp_path, mode, suffix):
    path = tmp_path / f"a{suffix}"
    pixels = GREY if mode == "L" else np.where(GREY > 127, 255, 0).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    photo = photos.read(path)
    assert photo.grey is True
    np.testing.assert_array_equal(photo.rgb, np.dstack([pixels] * 3))


def test_grey_jpeg_is_marked_grey(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.jpg")
    photo = photos.read(tmp_path / "a.jpg")
    assert photo.grey is True and photo.rgb.shape == RGB.shape and np.ptp(photo.rgb, axis=-1).max() == 0


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey(tmp_path, suffix):
    Image.fromarray(DEEP[..., 0]).save(tmp_path / f"a{suffix}")
    photo = photos.read(tmp_path / f"a{suffix}")
    assert photo.grey is True and photo.rgb.dtype == np.uint16
    np.testing.assert_array_equal(photo.rgb, np.dstack([DEEP[..., 0]] * 3))


@pytest.mark.parametrize("first, order", [("black", "<"), ("black", ">"), ("white", "<")])
def test_16_bit_grey_tiff_of_either_polarity_and_byte_order(tmp_path, first, order):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    stored = DEEP[..., 0] if first == "black" else 65535 - DEEP[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=f"minis{first}", byteorder=order)
    photo = photos.read(tmp_path / "a.tif")
    assert photo.rgb.dtype == np.dtype(np.uint16)
    np.testing.assert_array_equal(photo.rgb[..., 2], DEEP[..., 0])


def test_16_bit_png_with_grey_and_alpha(tmp_path):
    (tmp_path / "a.png").write_bytes(png16(np.dstack([DEEP[..., 0], ALPHA * np.uint16(257)]), 4))
    photo = photos.read(tmp_path / "a.png")
    assert photo.grey is True
    np.testing.assert_array_equal(photo.rgb, np.dstack([DEEP[..., 0]] * 3))
    np.testing.assert_array_equal(photo.alpha, ALPHA * np.uint16(257))


def test_16_bit_png_with_a_transparent_colour(tmp_path):
    key = DEEP[3, 4]
    (tmp_path / "a.png").write_bytes(png16(DEEP, 2, [(b"tRNS", struct.pack(">HHH", *map(int, key)))]))
    (tmp_path / "b.png").write_bytes(png16(DEEP[..., 0], 0, [(b"tRNS", struct.pack(">H", int(key[0])))]))
    colour, grey = photos.read(tmp_path / "a.png"), photos.read(tmp_path / "b.png")
    np.testing.assert_array_equal(colour.rgb, DEEP)
    np.testing.assert_array_equal(colour.alpha == 0, (key == DEEP).all(-1))
    np.testing.assert_array_equal(grey.alpha == 0, DEEP[..., 0] == key[0])


def test_16_bit_tiff_multiplied_by_its_alpha_is_divided_by_it(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    alpha = np.maximum(ALPHA, 128).astype(np.uint16) * 257
    stored = np.rint(DEEP * (alpha / 65535)[..., None]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([stored, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(photos.read(tmp_path / "a.tif").rgb.astype(int) - DEEP).max() <= 1


@pytest.mark.parametrize(
    "mode, suffix", [("LA", ".png"), ("LA", ".tif"), ("RGBA", ".png"), ("RGBA", ".tif"), ("RGBA", ".webp")]
)
def test_alpha_is_kept_apart(tmp_path, suffix, mode):
    image = Image.fromarray(RGB if mode == "RGBA" else GREY)
    image.putalpha(Image.fromarray(ALPHA))
    assert image.mode == mode
    image.save(tmp_path / f"a{suffix}", **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    photo = photos.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.rgb, RGB if mode == "RGBA" else np.dstack([GREY] * 3))
    np.testing.assert_array_equal(photo.alpha, ALPHA)
    assert photo.grey is (mode == "LA")


@pytest.mark.parametrize("transparent", [None, 3, bytes(range(0, 256, 16))])
def test_palette(tmp_path, transparent):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "a.png", **({} if transparent is None else {"transparency": transparent}))
    photo = photos.read(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.rgb, np.asarray(image.convert("RGB")))
    index = np.asarray(image)
    if transparent is None:
        assert photo.alpha is None
    elif transparent == 3:
        np.testing.assert_array_equal(photo.alpha, np.where(index == 3, 0, 255))
    else:
        np.testing.assert_array_equal(photo.alpha, index * 16)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path, suffix):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / f"a{suffix}", quality=100)
    photo = photos.read(tmp_path / f"a{suffix}")
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 3 and photo.grey is False


def linear_profile():
    """An ICC profile of sRGB's colours without its curve, as bytes: unlike sRGB, to be seen at once."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", icc[128:132])[0]
    for i in range(count):
        name, offset, size = struct.unpack(">4sII", icc[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            icc[offset : offset + size] = (b"curv" + bytes(8)).ljust(size, b"\0")
    at = icc.find("sRGB".encode("utf-16-be"))
    icc[at : at + 8] = "LINE".encode("utf-16-be")
    return bytes(icc)


def test_colour_profile_is_converted_to_srgb(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=linear_profile())
    photo = photos.read(tmp_path / "a.png")
    linear = RGB / 255
    expected = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255
    assert np.abs(photo.rgb - expected).max() <= 2
    assert photo.metadata["icc"] == linear_profile()


def test_srgb_profile_leaves_pixels_alone(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, RGB)


@pytest.mark.parametrize("icc", [b"not a profile", linear_profile()[:200]])
def test_damaged_profile_is_left_out(tmp_path, icc):
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, RGB)


def test_profile_for_other_pixels_is_left_out_with_a_note(tmp_path, caplog):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, RGB)
    assert "a.png: its colour profile is damaged or not for such pixels" in caplog.text


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # photos silences it, pytest takes that back
def test_damaged_exif_is_left_out(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    photo = photos.read(tmp_path / "a.jpg")
    assert photo.rgb.shape == RGB.shape and photo.metadata["exif"] == b""


def test_the_first_bytes_decide_and_not_the_name(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", tmp_path / "a.jpg")
    np.testing.assert_array_equal(photos.read(tmp_path / "a.jpg").rgb, RGB)


def whole_file(suffix) -> bytes:
    """A picture's bytes; with noise, so that its pixels take more than its header."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    return cv2.imencode(suffix, noise)[1].tobytes()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", r"empty file \(0 bytes\)"),
        (b"This is a shopping list, renamed.", "not a JPEG, PNG, WebP, TIFF or BMP picture"),
        (b"GIF89a" + bytes(40), "not a JPEG, PNG, WebP, TIFF or BMP picture"),
        (b"\xff\xd8\xff", "not a readable picture|truncated or damaged"),
        (b"II*\0", "not a readable picture|truncated or damaged"),
        (b"BM and more words", "not a readable picture|truncated or damaged"),
        (b"RIFF\x10\0\0\0WAVEfmt and sound", "not a readable picture|truncated or damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "not a readable picture|truncated or damaged"),
    ],
)
def test_what_is_no_picture_gives_one_clear_line(tmp_path, content, reason):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(photos.PhotoError, match=reason) as caught:
        photos.read(path)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value) and caught.value.path == str(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_truncated_files_give_one_clear_line(tmp_path, suffix, share):
    content = whole_file(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(photos.PhotoError, match="truncated or damaged|not a readable picture") as caught:
        photos.read(path)
    assert "\n" not in str(caught.value)


def test_truncated_16_bit_files_give_one_clear_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (64, 64, 3)).astype(np.uint16)
    for suffix in (".png", ".tif"):
        content = cv2.imencode(suffix, noise)[1].tobytes()
        (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(photos.PhotoError, match="truncated or damaged|not a readable picture"):
            photos.read(tmp_path / f"a{suffix}")


def test_missing_files_and_folders_give_one_clear_line(tmp_path):
    with pytest.raises(photos.PhotoError, match="absent.jpg: cannot be read: No such file"):
        photos.read(tmp_path / "absent.jpg")
    with pytest.raises(photos.PhotoError, match="cannot be read: Is a directory"):
        photos.read(tmp_path)


def test_the_pixel_limit(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    assert photos.read(path, max_pixels=40 * 60).rgb.shape == RGB.shape
    with pytest.raises(photos.PhotoError, match="too large: 60 x 40 = 0.0 megapixels; the limit is 0.0"):
        photos.read(path, max_pixels=40 * 60 - 1)


def test_decompression_bombs_are_refused_before_they_go_off(tmp_path):
    header = png16(np.zeros((1, 1), np.uint16), 0)
    size = struct.pack(">II", 100_000, 100_000)
    ihdr = b"IHDR" + size + header[24:29]
    (tmp_path / "a.png").write_bytes(header[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + header[33:])
    with pytest.raises(photos.PhotoError, match="100000 x 100000 = 10000.0 megapixels; the limit is 200.0"):
        photos.read(tmp_path / "a.png")


def test_between_pillows_limits_and_ours_nothing_is_said(tmp_path):
    Image.new("1", (16_000, 12_000)).save(tmp_path / "a.png")  # 192 megapixels: Image.open refuses from 179 on
    with open(tmp_path / "a.png", "rb") as file:
        image = photos._open(file, tmp_path / "a.png")  # the header alone: decoded, it is half a gigabyte
    assert image.size == (16_000, 12_000)


@pytest.mark.parametrize("kind", ["float32", "uint32", "planes"])
def test_pixels_that_cannot_be_shown_faithfully_are_refused(tmp_path, kind):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    path = tmp_path / "a.tif"
    if kind == "planes":
        tifffile.imwrite(path, np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate")
    else:
        tifffile.imwrite(path, (GREY / 255).astype(kind) if kind == "float32" else GREY.astype(kind) << 20)
    reason = {"float32": "floating-point", "uint32": "32-bit integer", "planes": "separate colour planes"}[kind]
    with pytest.raises(photos.PhotoError, match=reason):
        photos.read(path)


def test_arrays_outlive_their_file(tmp_path):
    path = tmp_path / "a.bmp"  # uncompressed: what Pillow maps into memory where it may
    Image.fromarray(RGB).save(path)
    photo = photos.read(path)
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(photo.rgb, RGB)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(photos.PhotoError("a.jpg", "two\n lines")))
    assert (str(error), error.path, error.reason) == ("a.jpg: two lines", "a.jpg", "two lines")


def test_photo_names():
    yes = ["a.jpg", "a.JPG", "b/c.jpeg", "a.png", "a.webp", "a.tif", "a.TIFF", "a.bmp", "a.b.jpg"]
    no = ["a.txt", "a", "jpg", ".jpg", "._a.jpg", ".hidden.png", "a.jpg.part", "a.gif"]
    assert [n for n in yes + no if photos.is_photo_name(n)] == yes


# -- writing


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
    np.testing.assert_array_equal(photo.rgb, DEEP)
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
        np.testing.assert_array_equal(photo.rgb, RGB)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_alpha_that_cannot_be_written_is_left_out_with_a_note(tmp_path, suffix, caplog):
    with caplog.at_level(logging.WARNING):
        photos.write(tmp_path / f"a{suffix}", RGB, ALPHA)
    assert f"a{suffix}" in caplog.text and "no transparency; it is left out" in caplog.text
    photo = photos.read(tmp_path / f"a{suffix}")
    assert photo.alpha is None and np.abs(photo.rgb.astype(int) - RGB).mean() < 3  # not blended with anything


def test_jpeg_keeps_its_colours_at_full_resolution(tmp_path):
    photos.write(tmp_path / "a.jpg", RGB)
    Image.fromarray(RGB).save(tmp_path / "95.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image, Image.open(tmp_path / "95.jpg") as reference:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
        assert image.quantization == reference.quantization


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jpg.txt"])
def test_unknown_extensions_are_refused_with_a_list(tmp_path, name):
    with pytest.raises(photos.PhotoError, match=r"\.jpg, \.jpeg.*\.png.*Received: '(\.gif|\.txt|)'"):
        photos.write(tmp_path / name, RGB)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"the old file")

    def half_way(self, file, *args, **kwargs):
        file.write(b"half a pict")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half_way)
    with pytest.raises(photos.PhotoError, match="a.png: cannot be written: No space left on device"):
        photos.write(path, RGB)
    assert path.read_bytes() == b"the old file" and list(tmp_path.iterdir()) == [path]


def test_a_picture_too_wide_for_its_format_is_a_clear_error(tmp_path):
    with pytest.raises(photos.PhotoError, match="a.webp: cannot be written"):
        photos.write(tmp_path / "a.webp", np.zeros((2, 20_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
