"""Files that hold more, or something else, than one photograph; and kinds that are only read."""

import os
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin, features
from shots import GRAY, RGB

from colorizer import photos
from colorizer.errors import PhotoError
from colorizer.photos import reader

FRAMES = [Image.fromarray(np.roll(RGB, 7 * i, axis=1)) for i in range(3)]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations_are_refused_with_the_reason(tmp_path, form):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    FRAMES[0].save(tmp_path / "a.jpg", form, save_all=True, append_images=FRAMES[1:], duration=40)
    with pytest.raises(PhotoError, match=f"a.jpg: an animated {form}; .* film .* or save one frame as PNG"):
        photos.read(tmp_path / "a.jpg")


def test_a_gif_that_stands_still_is_read(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "a.gif")
    np.testing.assert_array_equal(photos.read(tmp_path / "a.gif").rgb, np.dstack([GRAY] * 3))


def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path, caplog):
    FRAMES[0].save(tmp_path / "a.tif", save_all=True, append_images=FRAMES[1:])
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.rgb, RGB)
    assert photo.notes == ["it has several pages; the first is read"]
    assert "a.tif: it has several pages; the first is read" in caplog.text


def test_of_several_pictures_in_a_jpeg_the_first_is_read_and_that_is_said(tmp_path, caplog):
    FRAMES[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=FRAMES[1:], quality=95)
    photo = photos.read(tmp_path / "a.jpg")
    assert np.abs(photo.rgb.astype(int) - RGB).mean() < 8
    assert photo.notes == ["it has several pictures; the first is read"]
    assert "a.jpg: it has several pictures; the first is read" in caplog.text


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
def test_avif_is_told_from_heic_by_all_its_brands(tmp_path, brand):
    Image.fromarray(RGB).save(tmp_path / "a.avif", quality=95)
    content = (tmp_path / "a.avif").read_bytes()
    assert content[4:12] == b"ftypavif" and b"mif1" in content[16:40]
    (tmp_path / "a.avif").write_bytes(content[:8] + brand + content[12:])
    assert np.abs(photos.read(tmp_path / "a.avif").rgb.astype(int) - RGB).mean() < 4
    assert photos.read(tmp_path / "a.avif").metadata["format"] == "AVIF"


@pytest.mark.parametrize("tag, value", [(50706, b"\x01\x04\0\0"), (254, 1)])
def test_raw_files_of_cameras_are_not_taken_for_their_preview(tmp_path, tag, value):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[tag] = value
    Image.fromarray(RGB).save(tmp_path / "a.tif", tiffinfo=directory)
    with pytest.raises(PhotoError, match="a camera's raw file"):
        photos.read(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix, check", [(".jp2", "jpg_2000"), (".j2k", "jpg_2000"), (".avif", "avif")])
def test_archives_formats_are_read(tmp_path, suffix, check):
    if not features.check(check):
        pytest.skip(f"this Pillow has no {check}")
    Image.fromarray(RGB).save(tmp_path / f"a{suffix}", **({"quality": 95} if suffix == ".avif" else {}))
    assert np.abs(photos.read(tmp_path / f"a{suffix}").rgb.astype(int) - RGB).mean() < 4
    assert not photos.read(tmp_path / f"a{suffix}").notes
    assert photos.is_photo_name(f"a{suffix}") and photos.written_suffix(f"a{suffix}") in photos.FORMATS


@pytest.mark.parametrize("suffix", [".jp2", ".j2k", ".avif", ".heic", ".tif"])
def test_bits_that_are_not_read_are_said(tmp_path, suffix):
    deep = np.repeat(np.repeat(RGB, 4, 0), 4, 1).astype(np.uint16) * 257
    path, bits = tmp_path / f"a{suffix}", 16
    if suffix == ".avif":
        av, bits = pytest.importorskip("av", reason="PyAV, which writes AVIF of 10 bits"), 10
        with av.open(path, "w") as file:
            stream = file.add_stream("libaom-av1" if "libaom-av1" in av.codecs_available else "libsvtav1", rate=1)
            stream.width, stream.height, stream.pix_fmt = deep.shape[1], deep.shape[0], "yuv420p10le"
            frame = av.VideoFrame.from_ndarray(deep, format="rgb48le")
            file.mux([*stream.encode(frame), *stream.encode(None)])
    elif suffix == ".heic":
        pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif, which HEIC needs, is not installed")
        pillow_heif.from_bytes("RGB;16", deep.shape[1::-1], deep.tobytes()).save(path)
        bits = 10
    elif suffix == ".tif":
        tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
        tifffile.imwrite(path, np.dstack([65535 - deep, np.zeros_like(deep[..., 0])]), photometric="separated")
    else:
        content = cv2.imencode(".jp2", deep)[1].tobytes()
        path.write_bytes(content if suffix == ".jp2" else content[content.find(b"\xff\x4f\xff\x51") :])
    photo = photos.read(path)
    assert photo.rgb.dtype == np.uint8 and photo.notes == [f"it has {bits} bits; 8 of them are read"]


def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(PhotoError, match="HEIC, .*pip install pillow-heif, or save it as JPEG"):
        photos.read(tmp_path / "a.heic")


def test_heic_with_its_package_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif, which HEIC needs, is not installed")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a phone"
    heif = pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(np.rot90(RGB))))
    heif.save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    photo = photos.read(tmp_path / "a.heic")
    assert photo.rgb.shape == RGB.shape and np.abs(photo.rgb.astype(int) - RGB).mean() < 6  # its colors are halved
    kept = Image.Exif()
    kept.load(photo.metadata["exif"])
    assert kept[0x010F] == "a phone" and kept.get(0x0112, 1) == 1


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_scanners_infrared_channel_is_no_alpha_and_costs_no_depth(tmp_path, depth):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    pixels = RGB.astype(depth) * depth(257 if depth is np.uint16 else 1)
    scan = np.dstack([pixels, np.zeros_like(pixels[..., 0])])
    tifffile.imwrite(tmp_path / "a.tif", scan, photometric="rgb", extrasamples=["unspecified"])
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.rgb, pixels, strict=True)
    assert photo.alpha is None


def test_pixels_that_pillow_does_not_know_are_refused_with_a_way_out(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    tifffile.imwrite(tmp_path / "a.tif", RGB / np.float32(255), photometric="rgb")
    with pytest.raises(PhotoError, match="pixels of an unknown kind; save it with 8 or 16 bits"):
        photos.read(tmp_path / "a.tif")


def test_12_bits_of_gray_reach_white(tmp_path):
    steps = np.tile(np.linspace(0, 4095, 60).astype(np.uint16), (40, 1))
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    packed = np.stack([steps[:, ::2] >> 4, (steps[:, ::2] & 15) << 4 | steps[:, 1::2] >> 8, steps[:, 1::2] & 255], -1)
    tifffile.imwrite(tmp_path / "a.tif", packed.astype(np.uint8).reshape(40, 90), photometric="minisblack")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    for tag, value in ((256, 60), (258, 12)):
        at = content.find(struct.pack("<H", tag), 8)
        content[at + 8 : at + 10] = struct.pack("<H", value)
    (tmp_path / "a.tif").write_bytes(content)
    rgb = photos.read(tmp_path / "a.tif").rgb
    assert (rgb[0, 0, 0], rgb[0, -1, 0]) == (0, 65535)
    np.testing.assert_allclose(rgb[..., 1], steps / 4095 * 65535, atol=1.1)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="not a file but a device or a pipe"):
        photos.read(tmp_path / "a.jpg")


def test_bombs_in_metadata_are_one_clear_line_or_left_out(tmp_path):
    info = PngImagePlugin.PngInfo()
    bomb = zlib.compress(b"x" * 2**20)
    for i in range(70):
        info.add(b"zTXt", f"k{i}".encode() + b"\0\0" + bomb)
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    assert (tmp_path / "a.png").stat().st_size < 200_000
    with pytest.raises(PhotoError, match="truncated or damaged"):
        photos.read(tmp_path / "a.png")


def test_random_damage_is_one_clear_line_or_a_picture(tmp_path):
    """A byte in a hundred changed, 25 times in every format: an exception of another kind would come through."""
    rng = np.random.default_rng(0)
    for suffix in (*photos.EXTENSIONS, ".gif", ".jp2"):
        if suffix in photos.EXTENSIONS:
            photos.write(tmp_path / f"whole{suffix}", RGB)
        else:
            Image.fromarray(RGB).save(tmp_path / f"whole{suffix}")
        content = np.frombuffer((tmp_path / f"whole{suffix}").read_bytes(), np.uint8)
        for _ in range(25):
            hurt = np.where(
                rng.random(content.size) < rng.choice([0.001, 0.01]), rng.integers(0, 256, content.size), content
            )
            (tmp_path / "hurt").write_bytes(hurt.astype(np.uint8).tobytes())
            try:
                photos.read(tmp_path / "hurt", max_pixels=10**6)
            except PhotoError as error:
                assert "\n" not in str(error) and str(error).startswith(str(tmp_path))


def test_the_most_memory_a_picture_needs_is_known_before(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    Image.fromarray(RGB).save(tmp_path / "b.jpg", progressive=True)
    pixels, need = photos.probe(tmp_path / "a.jpg")
    assert pixels == RGB.shape[0] * RGB.shape[1] and pixels * 7 < need < photos.probe(tmp_path / "b.jpg")[1]
    assert reader.KINDS.startswith("JPEG")
