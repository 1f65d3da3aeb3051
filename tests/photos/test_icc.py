"""Color profiles: what is read is sRGB, at the depth of the file; what is written says so."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from shots import DEEP, GRAY, RGB, png16
from test_photo import linear_profile

from colorizer import photos
from colorizer.photos import icc as profiles


def icc_chunk(icc):

    return [(b"iCCP", b"p\0\0" + zlib.compress(icc))]


def of_parts(space: bytes, parts: dict[bytes, bytes], pcs=b"XYZ ") -> bytes:
    """A profile of these parts, for monitors, version 2.4."""
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, b"mntr", space, pcs)
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    head = head.ljust(128, b"\0")
    text = b"A test."
    parts = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)} | parts
    parts |= {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)}
    table, body, at = struct.pack(">I", len(parts)), b"", 128 + 4 + 12 * len(parts)
    for name, data in parts.items():
        data = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def wide_profile(curve=None) -> bytes:
    """Adobe RGB: wider than sRGB, gamma 563/256 unless told otherwise."""
    columns = {b"rXYZ": (39987, 20411, 1278), b"gXYZ": (13450, 41002, 3989), b"bXYZ": (9771, 4123, 48795)}
    parts = {name: b"XYZ \0\0\0\0" + struct.pack(">3i", *column) for name, column in columns.items()}
    return of_parts(b"RGB ", parts | {n: curve or gamma(563 / 256) for n in (b"rTRC", b"gTRC", b"bTRC")})


def by_littlecms(rgb, icc):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    converted = ImageCms.profileToProfile(
        Image.fromarray(rgb), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return np.asarray(converted)


para = {kind: b"para\0\0\0\0" + struct.pack(">HH", kind, 0) for kind in range(5)}
SRGB = [round(n * 65536) for n in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0, 0)]
CURVES = {
    "identity": b"curv\0\0\0\0" + struct.pack(">I", 0),
    "gamma": gamma(2.2),
    "table": b"curv\0\0\0\0" + struct.pack(">I", 300) + (np.linspace(0, 1, 300) ** 1.8 * 65535).astype(">u2").tobytes(),
    "para0": para[0] + struct.pack(">i", int(2.2 * 65536)),
    "para1": para[1] + struct.pack(">3i", int(2.2 * 65536), int(1.1 * 65536), int(-0.1 * 65536)),
    "para3": para[3] + struct.pack(">5i", *SRGB[:5]),
    "para4": para[4] + struct.pack(">7i", *SRGB),
}


@pytest.mark.parametrize("curve", CURVES)
def test_16_bits_are_converted_as_littlecms_converts_8(tmp_path, curve):
    icc = wide_profile(CURVES[curve])
    (tmp_path / "a.png").write_bytes(png16(RGB.astype(np.uint16) * 257, 2, icc_chunk(icc)))
    photo = photos.read(tmp_path / "a.png")
    assert photo.rgb.dtype == np.uint16 and not photo.notes
    assert np.abs(photo.rgb / 257 - by_littlecms(RGB, icc)).max() < 1.1
    assert len(np.unique(photo.rgb)) > 256  # and not by way of 8 bits


def test_8_bits_are_converted_in_bands_as_in_one_piece(tmp_path, monkeypatch):
    from colorizer.photos import reader

    monkeypatch.setattr(reader, "BAND_PIXELS", 7 * RGB.shape[1])
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=wide_profile())
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, by_littlecms(RGB, wide_profile()))


@pytest.mark.parametrize("deep", [False, True])
def test_profiles_of_gray(tmp_path, deep):
    icc = of_parts(b"GRAY", {b"kTRC": gamma(1.0)})
    stored = GRAY.astype(np.uint16) * 257 if deep else GRAY
    Image.fromarray(stored).save(tmp_path / "a.png", icc_profile=icc)
    photo = photos.read(tmp_path / "a.png")
    linear = GRAY / 255
    expected = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255
    assert photo.gray and not photo.notes and np.ptp(photo.rgb, axis=-1).max() == 0
    assert np.abs(photo.rgb[..., 0] / (257 if deep else 1) - expected).max() < 1.6
    photo.save(tmp_path / "b.png")
    np.testing.assert_array_equal(photos.read(tmp_path / "b.png").rgb, photo.rgb)  # not converted twice


@pytest.mark.parametrize("kind", ["palette", "transparent", "RGB"])
def test_profiles_of_gray_in_files_of_other_kinds(tmp_path, kind):
    icc = of_parts(b"GRAY", {b"kTRC": gamma(1.0)})
    Image.fromarray(GRAY).save(tmp_path / "gray.png", icc_profile=icc)
    picture, options = Image.fromarray(255 - GRAY if kind == "palette" else GRAY), {}
    if kind == "palette":
        picture.putpalette([255 - index for index in range(256) for _ in "RGB"])
    elif kind == "transparent":
        options = {"transparency": int(GRAY[0, 0])}
    else:
        picture = picture.convert("RGB")
    picture.save(tmp_path / "a.png", icc_profile=icc, **options)
    photo = photos.read(tmp_path / "a.png")
    shown = np.full(GRAY.shape, True) if photo.alpha is None else photo.alpha > 0
    assert not photo.notes and shown.any() and (kind == "transparent") == (not shown.all())
    np.testing.assert_array_equal(photo.rgb[shown], photos.read(tmp_path / "gray.png").rgb[shown])


def test_a_profile_of_rgb_keeps_transparent_gray_gray(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "a.png", icc_profile=wide_profile(), transparency=int(GRAY[0, 0]))
    photo = photos.read(tmp_path / "a.png")
    assert photo.gray and np.ptp(photo.rgb.astype(int), axis=-1).max() == 0


def test_16_bits_of_gray_in_a_profile_of_rgb_stay_gray(tmp_path):
    Image.fromarray(DEEP[..., 0]).save(tmp_path / "a.png", icc_profile=linear_profile())
    photo = photos.read(tmp_path / "a.png")
    assert np.ptp(photo.rgb.astype(int), axis=-1).max() == 0 and photo.rgb.mean() > DEEP[..., 0].mean() + 2000


def test_profiles_made_of_tables_are_applied_to_16_bits(tmp_path, monkeypatch):
    whole = profiles._shape(wide_profile())
    assert whole is not None
    monkeypatch.setattr(profiles, "_shape", lambda icc: None)
    (tmp_path / "a.png").write_bytes(png16(DEEP, 2, icc_chunk(wide_profile())))
    photo = photos.read(tmp_path / "a.png")
    exact = profiles._by_shape(DEEP, *whole)
    inside = (exact > 2000).all(-1) & (exact < 63000).all(-1)
    assert np.abs(photo.rgb.astype(int) - exact)[inside].max() < 2.2 * 257
    assert len(np.unique(photo.rgb)) > 256


@pytest.mark.parametrize("icc", [b"not a profile", wide_profile()[:300], of_parts(b"CMYK", {})])
def test_damaged_profiles_of_16_bits_are_left_out(tmp_path, icc):
    (tmp_path / "a.png").write_bytes(png16(DEEP, 2, icc_chunk(icc)))
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, DEEP)


def test_a_linear_profile_is_not_srgb_by_its_name(tmp_path):
    icc = linear_profile().replace("LINE".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, by_littlecms(RGB, icc))
    (tmp_path / "b.png").write_bytes(png16(DEEP, 2, icc_chunk(icc)))
    assert photos.read(tmp_path / "b.png").rgb.mean() > DEEP.mean() + 2000


def with_columns(*columns):
    """sRGB's profile, its curve and its name, with other colors: three columns of XYZ under D50."""
    icc = bytearray(profiles.srgb())
    for i in range(struct.unpack(">I", icc[128:132])[0]):
        name, offset, _ = struct.unpack(">4sII", icc[132 + 12 * i : 144 + 12 * i])
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            icc[offset + 8 : offset + 20] = struct.pack(
                ">3i", *(int(v * 65536) for v in columns[b"rgb".index(name[0])])
            )
    return bytes(icc)


def test_other_primaries_are_not_srgb_by_name_and_curve(tmp_path):
    """As in "Rec2020-elle-V4-srgbtrc"."""
    icc = with_columns((0.6734, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7968))
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, by_littlecms(RGB, icc))
    assert np.abs(photos.read(tmp_path / "a.png").rgb.astype(int) - RGB).max() > 20


def test_srgb_whose_white_is_not_adapted_is_believed_by_its_name(tmp_path):
    icc = with_columns((0.4124, 0.2126, 0.0193), (0.3576, 0.7152, 0.1192), (0.1805, 0.0722, 0.9505))
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, RGB)


@pytest.mark.parametrize("curve", ["para3", "para4"])
def test_profiles_with_the_name_and_the_curve_of_srgb_change_nothing(tmp_path, curve):
    text = b"sRGB IEC61966-2.1"
    named = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)}
    curves = {name: CURVES[curve] for name in (b"rTRC", b"gTRC", b"bTRC")}
    columns = {n: b"XYZ \0\0\0\0" + struct.pack(">3i", 1, 1, 1) for n in (b"rXYZ", b"gXYZ", b"bXYZ")}
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=of_parts(b"RGB ", named | curves | columns))
    np.testing.assert_array_equal(photos.read(tmp_path / "a.png").rgb, RGB)


def test_the_profile_that_files_are_marked_with_is_always_the_same():
    again = profiles.srgb.__wrapped__()
    assert again == profiles.srgb() and profiles.is_srgb(again) and len(again) < 1000
