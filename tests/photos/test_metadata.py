"""What a photograph's file says besides pixels comes through, whatever kinds of files it goes between."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from shots import ALPHA, DEEP, RGB, hidden_white, oriented, png16

from colorizer import photos
from colorizer.photos import icc, metadata

TAKEN, PLACE = "1943:06:21 12:34:56", (48.0, 51.0, 29.5)
IPTC = b"\x1c\x02\x78\x00\x0bA steam boat" + b"\x1c\x02\x19\x00\x05river"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d" dc:title="boat"/></x:xmpmeta>'
KEEPING = (".jpg", ".png", ".tif", ".webp", ".avif")


def exif_block(orientation=6, width=40, height=60) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = orientation, "a camera", "somebody"
    exif.get_ifd(ExifTags.IFD.Exif).update({0x9003: TAKEN, 0xA002: width, 0xA003: height, 0xA001: 65535})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: PLACE})
    return exif


def camera_file(path, orientation=6):
    """A file as a camera leaves it, in any format, with all it can say; its picture lies on its side."""
    stored = Image.fromarray(oriented(RGB, orientation))
    said = {"exif": exif_block(orientation).tobytes(), "xmp": XMP % orientation, "dpi": (300, 300)}
    if path.suffix == ".jpg":
        block = b"Photoshop 3.0\0" + metadata.photoshop(IPTC)
        segment = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
        stored.save(path, quality=95, extra=segment, comment=b"from a box", **said)
    elif path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", said.pop("xmp").decode())
        info.add_text("Raw profile type iptc", metadata.raw_profile(IPTC), zip=True)
        info.add_text("Creation Time", TAKEN)
        stored.save(path, pnginfo=info, **said)
    elif path.suffix == ".tif":
        exif = exif_block(orientation)
        exif[700], exif[33723] = said["xmp"], IPTC
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):  # Pillow writes those it finds among the others
            exif[part] = dict(exif.get_ifd(part))
        stored.save(path, exif=exif, dpi=(300, 300))
    else:
        stored.save(path, quality=95, **said)
    return path


def assert_kept(photo, iptc=True, dpi=True):
    exif = Image.Exif()
    exif.load(photo.metadata["exif"])
    inner, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert exif.get(0x010F) == "a camera" and exif[0x8298] == "somebody" and 0x0112 not in exif
    assert inner[0x9003] == TAKEN and inner[0xA001] == 1
    assert (inner[0xA002], inner[0xA003]) == (RGB.shape[1], RGB.shape[0])
    assert place[1] == "N" and tuple(map(float, place[2])) == PLACE
    upright = XMP % 1  # of a TIFF, Pillow takes the orientation out
    assert photo.metadata["xmp"].strip() in (upright, upright.replace(b'tiff:Orientation="1"', b""))
    assert not iptc or photo.metadata["iptc"] == IPTC
    assert not dpi or np.allclose(photo.metadata["dpi"], 300, atol=0.1)


@pytest.mark.parametrize("target", KEEPING)
@pytest.mark.parametrize("source", KEEPING)
def test_exif_xmp_iptc_and_resolution_go_from_every_format_to_every_other(tmp_path, source, target):
    if ".avif" in (source, target) and ".avif" not in photos.FORMATS:
        pytest.skip("this Pillow neither reads nor writes AVIF")
    photo = photos.read(camera_file(tmp_path / f"a{source}"))
    holds = source in (".jpg", ".png", ".tif")
    assert photo.rgb.shape == RGB.shape
    assert_kept(photo, holds, holds)
    photo.save(tmp_path / f"b{target}")
    again = photos.read(tmp_path / f"b{target}")
    holds = holds and target in (".jpg", ".png", ".tif")
    assert_kept(again, holds, holds)
    assert again.rgb.shape == RGB.shape and np.abs(again.rgb.astype(int) - photo.rgb).mean() < 4
    assert again.metadata["icc"] == icc.srgb()


@pytest.mark.parametrize("target", [".png", ".tif"])
@pytest.mark.parametrize("alpha", [None, ALPHA * np.uint16(257)])
def test_files_of_16_bits_keep_metadata_too(tmp_path, target, alpha):
    said = photos.read(camera_file(tmp_path / "a.jpg")).metadata
    photos.Photo(DEEP, alpha, False, said).save(tmp_path / f"b{target}")
    again = photos.read(tmp_path / f"b{target}")
    assert_kept(again)
    np.testing.assert_array_equal(again.rgb, DEEP if alpha is None else hidden_white(DEEP, alpha))
    seen = cv2.imread(str(tmp_path / f"b{target}"), cv2.IMREAD_UNCHANGED)  # another reader sees the same pixels
    np.testing.assert_array_equal(seen[..., 2::-1], DEEP)
    assert again.metadata["icc"] == icc.srgb()


def test_texts_of_a_png_and_the_comment_of_a_jpeg_are_kept(tmp_path):
    for name in ("a.png", "a.jpg"):
        photos.read(camera_file(tmp_path / name)).save(tmp_path / f"b{name}")
    with Image.open(tmp_path / "ba.png") as image:
        assert image.text["Creation Time"] == TAKEN
    with Image.open(tmp_path / "ba.jpg") as image:
        assert image.info["comment"] == b"from a box"


def test_what_is_too_long_for_a_jpeg_is_left_out_with_a_note(tmp_path, caplog):
    exif = exif_block(1)
    exif.get_ifd(ExifTags.IFD.Exif)[0x927C] = bytes(70_000)  # a maker's note
    said = {"exif": exif.tobytes(), "xmp": bytes(70_000), "iptc": b"\x1c" + bytes(70_000), "comments": (bytes(70_000),)}
    photos.write(tmp_path / "a.jpg", photos.Photo(RGB, metadata=said))
    kept = Image.Exif()
    kept.load(photos.read(tmp_path / "a.jpg").metadata["exif"])
    assert kept.get_ifd(ExifTags.IFD.Exif)[0x9003] == TAKEN
    for part in ("the maker's note in EXIF", "its XMP data", "its IPTC data", "its comment"):
        assert f"a.jpg: {part}" in caplog.text


def test_the_gray_preview_in_exif_is_left_out(tmp_path):
    exif = exif_block(1)
    preview = io.BytesIO()
    Image.fromarray(RGB[::2, ::2]).save(preview, "JPEG")
    block = exif.tobytes()
    assert block[6:8] == b"MM"
    # After the first directory's entries stands where the second is: at the end, with the preview behind it.
    (first,) = struct.unpack_from(">I", block, 10)
    (entries,) = struct.unpack_from(">H", block, 6 + first)
    at = 6 + first + 2 + 12 * entries
    start = len(block) - 6
    second = struct.pack(">H2HII2HIII", 2, 0x0201, 4, 1, start + 30, 0x0202, 4, 1, len(preview.getvalue()), 0)
    block = block[:at] + struct.pack(">I", start) + block[at + 4 :] + second + preview.getvalue()
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=block)
    assert (tmp_path / "a.jpg").read_bytes().count(b"\xff\xd8\xff") == 2
    photos.read(tmp_path / "a.jpg").save(tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes().count(b"\xff\xd8\xff") == 1


def test_old_programs_iptc_in_a_tiff_is_read(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    padded = IPTC + bytes(-len(IPTC) % 4)
    longs = struct.unpack(f">{len(padded) // 4}L", padded)
    tags = [(33723, "I", len(longs), longs, True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, byteorder=">", photometric="rgb", extratags=tags, metadata=None)
    assert photos.read(tmp_path / "a.tif").metadata["iptc"] == padded


def test_a_resolution_that_is_none_is_left_out(tmp_path):
    density = struct.pack(">IIB", 1, 2**31, 1)
    (tmp_path / "a.png").write_bytes(png16(DEEP, 2, [(b"pHYs", density)]))
    photo = photos.read(tmp_path / "a.png")
    assert photo.metadata["dpi"] is None
    photo.save(tmp_path / "b.jpg")


def test_a_tiff_without_a_resolution_gets_none(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.tif")
    Image.fromarray(RGB).save(tmp_path / "b.tif", dpi=(300, 300))
    assert photos.read(tmp_path / "a.tif").metadata["dpi"] is None
    assert photos.read(tmp_path / "b.tif").metadata["dpi"] == (300, 300)


def test_a_picture_of_pillow_becomes_a_photo_and_back(tmp_path):
    with Image.open(camera_file(tmp_path / "a.png", 6)) as image:
        photo = photos.from_image(image)
    np.testing.assert_array_equal(photo.rgb, RGB)
    assert_kept(photo)
    image = photo.to_image()
    assert image.size == (RGB.shape[1], RGB.shape[0]) and image.info["exif"] == photo.metadata["exif"]
    with pytest.raises(ValueError, match="8 or 16 bits of gray or RGB. Received: mode F"):
        photos.from_image(Image.new("F", (4, 4)))


def test_gray_that_is_multiplied_by_its_alpha_is_divided_again():
    stored = Image.fromarray(np.dstack([np.full((4, 6), 100, np.uint8), np.full((4, 6), 200, np.uint8)]), "LA")
    image = stored.convert("La")
    photo = photos.from_image(image)
    assert image.mode == "La" and photo.gray and np.ptp(photo.rgb, axis=-1).max() == 0
    assert abs(int(photo.rgb[0, 0, 0]) - 100) < 2 and (photo.alpha == 200).all()


def hexadecimal(name: str, content: bytes) -> str:
    """A block as ImageMagick puts it into a PNG's text."""
    return f"\n{name}\n{len(content):8}\n" + "\n".join(
        content.hex()[i : i + 72] for i in range(0, 2 * len(content), 72)
    )


XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
NAMES = XMP.replace(b"boat", "bâteau".encode()) % 6


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "key, text",
    [
        ("XML:com.adobe.xmp", NAMES.decode("latin-1")),
        ("Raw profile type xmp", hexadecimal("xmp", NAMES)),
        ("Raw profile type APP1", hexadecimal("generic profile", XMP_MARK + NAMES)),
    ],
)
def test_xmp_in_the_older_texts_of_a_png_is_read(tmp_path, key, text, zipped):
    info = PngImagePlugin.PngInfo()
    info.add_text(key, text, zip=zipped)
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    photo = photos.read(tmp_path / "a.png")
    assert photo.metadata["xmp"] == NAMES.replace(b'Orientation="6"', b'Orientation="1"')
    for target in KEEPING:
        if target in photos.FORMATS:
            photo.save(tmp_path / f"b{target}")
            assert photos.read(tmp_path / f"b{target}").metadata["xmp"] == photo.metadata["xmp"]


@pytest.mark.parametrize("key", ["Raw profile type exif", "Raw profile type APP1"])
def test_exif_in_the_texts_of_a_png_is_read_and_sets_it_upright(tmp_path, key):
    info = PngImagePlugin.PngInfo()
    info.add_text(key, hexadecimal("exif", exif_block(6).tobytes()), zip=True)
    Image.fromarray(oriented(RGB, 6)).save(tmp_path / "a.png", pnginfo=info)
    photo = photos.read(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.rgb, RGB)
    kept = Image.Exif()
    kept.load(photo.metadata["exif"])
    assert kept[0x8298] == "somebody" and kept.get_ifd(ExifTags.IFD.Exif)[0x9003] == TAKEN and 0x0112 not in kept


@pytest.mark.parametrize("name", [b"", b"odd", b"even"])
def test_iptc_in_the_photoshop_block_of_a_tiff_is_read(tmp_path, name):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    named = bytes([len(name)]) + name
    other = b"8BIM\x03\xed" + named + b"\0" * (len(named) % 2) + struct.pack(">I", 3) + b"abc\0"
    content = other + metadata.photoshop(IPTC)
    tags = [(34377, "B", len(content), content, True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", extratags=tags, metadata=None)
    assert photos.read(tmp_path / "a.tif").metadata["iptc"] == IPTC


def segments_of(content: bytes) -> bytes:
    """A JPEG with these segments behind its first two bytes."""
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG")
    return file.getvalue()[:2] + content + file.getvalue()[2:]


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def test_every_comment_of_a_jpeg_is_kept(tmp_path, caplog):
    comments = (b"from a box", "Zürich".encode("latin-1"), b"")
    (tmp_path / "a.jpg").write_bytes(segments_of(b"".join(segment(0xFE, text) for text in comments)))
    photo = photos.read(tmp_path / "a.jpg")
    assert photo.metadata["comments"] == comments
    photo.save(tmp_path / "b.jpg")
    assert photos.read(tmp_path / "b.jpg").metadata["comments"] == comments
    photo.save(tmp_path / "c.webp")
    assert "c.webp: WEBP holds no comment; it is left out" in caplog.text


@pytest.mark.parametrize("suffix", [".gif", ".jp2"])
def test_the_comment_of_a_gif_and_of_a_jpeg_2000_becomes_a_text_of_the_png(tmp_path, suffix):
    if not photos.is_photo_name(f"a{suffix}"):
        pytest.skip("this Pillow does not read it")
    Image.fromarray(RGB[..., 0]).save(tmp_path / f"a{suffix}", comment="Zürich".encode())
    photo = photos.read(tmp_path / f"a{suffix}")
    assert photo.metadata["comments"] == ("Zürich".encode(),)
    photo.save(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.text["Comment"] == "Zürich"


def test_extended_xmp_is_kept(tmp_path, caplog):
    parts = [metadata.XMP_EXTENSION_MARK + b"A" * 32 + struct.pack(">II", 90_000, at) + bytes(45_000) for at in (0, 1)]
    content = segment(0xE1, XMP_MARK + XMP % 1) + b"".join(segment(0xE1, part) for part in parts)
    (tmp_path / "a.jpg").write_bytes(segments_of(content))
    photos.read(tmp_path / "a.jpg").save(tmp_path / "b.jpg")
    again = photos.read(tmp_path / "b.jpg")
    assert again.metadata["xmp_extension"] == tuple(parts) and again.metadata["xmp"] == XMP % 1
    again.save(tmp_path / "c.png")
    assert "c.png: PNG holds no extended XMP" in caplog.text
