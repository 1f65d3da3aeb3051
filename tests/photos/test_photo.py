"""Reading photographs: every kind of file is made here."""

import functools
import os
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from shots import ALPHA, DEEP, GRAY, LOSSLESS, RGB, hidden_white, oriented, png16

from colorizer import photos
from colorizer.errors import ArgumentError


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_files_are_read_exactly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path)
    photo = photos.read(path)
    np.testing.assert_array_equal(photo.rgb, RGB)
    assert photo.rgb.dtype == np.uint8 and photo.alpha is None and photo.gray is False
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
def test_orientation_of_16_bit_color_is_applied(tmp_path, suffix, alpha, orientation):
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
    np.testing.assert_array_equal(photo.rgb, hidden_white(DEEP, ALPHA) if alpha else DEEP)
    if alpha:
        np.testing.assert_array_equal(photo.alpha, upright[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "I;16", "CMYK"])
def test_orientation_of_a_tiff_of_one_raw_strip_is_applied(tmp_path, mode, orientation):
    path = tmp_path / "a.tif"
    upright = {"L": GRAY, "I;16": DEEP[..., 1], "CMYK": np.dstack([255 - RGB, np.zeros_like(GRAY)])}[mode]
    stored = oriented(upright, orientation)
    Image.frombytes(mode, stored.shape[1::-1], stored.tobytes()).save(path, tiffinfo={274: orientation})
    expected = RGB if mode == "CMYK" else np.repeat(upright[..., None], 3, axis=-1)
    np.testing.assert_array_equal(photos.read(path).rgb, expected)
    with Image.open(path) as image:
        np.testing.assert_array_equal(photos.from_image(image).rgb, expected)


@pytest.mark.parametrize(
    "mode, suffix", [("L", ".png"), ("L", ".tif"), ("L", ".bmp"), ("1", ".png"), ("1", ".tif"), ("1", ".bmp")]
)
def test_gray_and_one_bit(tmp_path, mode, suffix):
    path = tmp_path / f"a{suffix}"
    pixels = GRAY if mode == "L" else np.where(GRAY > 127, 255, 0).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    photo = photos.read(path)
    assert photo.gray is True
    np.testing.assert_array_equal(photo.rgb, np.dstack([pixels] * 3))


def test_gray_jpeg_is_marked_gray(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "a.jpg")
    photo = photos.read(tmp_path / "a.jpg")
    assert photo.gray is True and photo.rgb.shape == RGB.shape and np.ptp(photo.rgb, axis=-1).max() == 0


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_gray(tmp_path, suffix):
    Image.fromarray(DEEP[..., 0]).save(tmp_path / f"a{suffix}")
    photo = photos.read(tmp_path / f"a{suffix}")
    assert photo.gray is True and photo.rgb.dtype == np.uint16
    np.testing.assert_array_equal(photo.rgb, np.dstack([DEEP[..., 0]] * 3))


@pytest.mark.parametrize("first, order", [("black", "<"), ("black", ">"), ("white", "<")])
def test_16_bit_gray_tiff_of_either_polarity_and_byte_order(tmp_path, first, order):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    stored = DEEP[..., 0] if first == "black" else 65535 - DEEP[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=f"minis{first}", byteorder=order)
    photo = photos.read(tmp_path / "a.tif")
    assert photo.rgb.dtype == np.dtype(np.uint16)
    np.testing.assert_array_equal(photo.rgb[..., 2], DEEP[..., 0])


def test_16_bit_png_with_gray_and_alpha(tmp_path):
    (tmp_path / "a.png").write_bytes(png16(np.dstack([DEEP[..., 0], ALPHA * np.uint16(257)]), 4))
    photo = photos.read(tmp_path / "a.png")
    assert photo.gray is True
    np.testing.assert_array_equal(photo.rgb, hidden_white(np.dstack([DEEP[..., 0]] * 3), ALPHA))
    np.testing.assert_array_equal(photo.alpha, ALPHA * np.uint16(257))


def test_16_bit_png_with_a_transparent_color(tmp_path):
    key = DEEP[3, 4]
    (tmp_path / "a.png").write_bytes(png16(DEEP, 2, [(b"tRNS", struct.pack(">HHH", *map(int, key)))]))
    (tmp_path / "b.png").write_bytes(png16(DEEP[..., 0], 0, [(b"tRNS", struct.pack(">H", int(key[0])))]))
    color, gray = photos.read(tmp_path / "a.png"), photos.read(tmp_path / "b.png")
    np.testing.assert_array_equal(color.rgb, hidden_white(DEEP, ~(key == DEEP).all(-1)))
    np.testing.assert_array_equal(color.alpha == 0, (key == DEEP).all(-1))
    np.testing.assert_array_equal(gray.alpha == 0, DEEP[..., 0] == key[0])


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_16_bit_tiff_whose_channels_lie_apart(tmp_path, alpha, orientation, order):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    stored = oriented(np.dstack([DEEP, ALPHA * np.uint16(257)]) if alpha else DEEP, orientation)
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    tags = [(274, "H", 1, orientation, True)]
    planes = np.ascontiguousarray(np.moveaxis(stored, -1, 0))
    options = {"photometric": "rgb", "planarconfig": "separate", "byteorder": order, "compression": "zlib"}
    tifffile.imwrite(tmp_path / "a.tif", planes, extratags=tags, metadata=None, **options, **extra)
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.rgb, hidden_white(DEEP, ALPHA) if alpha else DEEP)
    assert photo.rgb.dtype == np.dtype(np.uint16) and (photo.alpha is not None) == alpha
    if alpha:
        np.testing.assert_array_equal(photo.alpha, ALPHA * np.uint16(257))


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
    image = Image.fromarray(RGB if mode == "RGBA" else GRAY)
    image.putalpha(Image.fromarray(ALPHA))
    assert image.mode == mode
    image.save(tmp_path / f"a{suffix}", **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    photo = photos.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.rgb, hidden_white(RGB if mode == "RGBA" else np.dstack([GRAY] * 3), ALPHA))
    np.testing.assert_array_equal(photo.alpha, ALPHA)
    assert photo.gray is (mode == "LA")


@pytest.mark.parametrize(
    "suffix, depth",
    [(".png", np.uint8), (".png", np.uint16), (".tif", np.uint8), (".tif", np.uint16), (".webp", np.uint8)],
)
def test_what_is_hidden_under_full_transparency_does_not_matter(tmp_path, suffix, depth):
    """Two files that look the same are read the same, and written the same."""
    mask, scale = np.where(ALPHA < 128, 0, 255).astype(depth), depth(np.iinfo(depth).max // 255)
    seen = []
    for hidden in (RGB, 255 - RGB):
        rgb = np.where(mask[..., None] > 0, RGB, hidden).astype(depth) * scale
        path = tmp_path / f"a{suffix}"
        if depth == np.uint16 or suffix == ".tif":
            photos.write(path, rgb, mask * scale)
        else:
            Image.fromarray(np.dstack([rgb, mask])).save(path, lossless=True, exact=True)
        photo = photos.read(path)
        assert (photo.rgb[mask == 0] == np.iinfo(photo.rgb.dtype).max).all()
        photo.save(tmp_path / "b.jpg")
        seen.append((photo.rgb, photos.read(tmp_path / "b.jpg").rgb))
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)
    assert seen[0][1][:, :25].min() > 250  # the background of the JPEG is white


@pytest.mark.parametrize("transparent", [None, 3, bytes(range(0, 256, 16))])
def test_palette(tmp_path, transparent):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "a.png", **({} if transparent is None else {"transparency": transparent}))
    photo = photos.read(tmp_path / "a.png")
    index, visible = np.asarray(image), np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(photo.rgb, visible if photo.alpha is None else hidden_white(visible, photo.alpha))
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
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 3 and photo.gray is False


@functools.cache  # LittleCMS writes the time into it
def linear_profile():
    """An ICC profile of sRGB's colors without its curve, as bytes: unlike sRGB, to be seen at once."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", icc[128:132])[0]
    for i in range(count):
        name, offset, size = struct.unpack(">4sII", icc[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            icc[offset : offset + size] = (b"curv" + bytes(8)).ljust(size, b"\0")
    at = icc.find("sRGB".encode("utf-16-be"))
    icc[at : at + 8] = "LINE".encode("utf-16-be")
    return bytes(icc)


def test_color_profile_is_converted_to_srgb(tmp_path):
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
    assert "a.png: its color profile is damaged or not for such pixels" in caplog.text


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # photos silences it, pytest takes that back
def test_damaged_exif_is_left_out(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    photo = photos.read(tmp_path / "a.jpg")
    assert photo.rgb.shape == RGB.shape and photo.metadata["exif"] == b""


def test_the_first_bytes_decide_and_not_the_name(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", tmp_path / "a.jpg")
    np.testing.assert_array_equal(photos.read(tmp_path / "a.jpg").rgb, RGB)


def test_a_photo_says_in_one_line_what_it_is(tmp_path):
    Image.fromarray(np.dstack([RGB, ALPHA])).save(tmp_path / "a.png")
    assert repr(photos.read(tmp_path / "a.png")) == "Photo(60 x 40, uint8, format=PNG, gray=False, alpha=True)"


def test_every_name_of_the_interface_is_there():
    assert all(hasattr(photos, name) for name in photos.__all__)


@pytest.mark.parametrize(
    ("pixels", "more"),
    [
        (RGB / 255, {}),
        (RGB > 100, {}),
        (RGB[..., 0], {}),
        (RGB, {"alpha": np.zeros(RGB.shape[:2], np.uint16)}),
        (RGB, {"alpha": np.zeros((3, 3), np.uint8)}),
        (RGB, {"quality": 0}),
        (RGB, {"quality": 101}),
        (RGB, {"quality": 90.5}),
    ],
)
def test_what_is_no_photo_is_not_written(tmp_path, pixels, more):
    with pytest.raises(ArgumentError, match="Received"):
        photos.write(tmp_path / "photo.jpg", pixels, **more)
    assert not list(tmp_path.iterdir())
