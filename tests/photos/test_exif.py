"""EXIF, entry by entry: bytes stay what they were, and one bad entry costs itself alone."""

import struct

import numpy as np
import pytest
from PIL import ExifTags, Image
from shots import RGB

from colorizer import photos
from colorizer.errors import PhotoError
from colorizer.photos import exif

ARTIST, COPYRIGHT, DESCRIPTION, CAMERA = 315, 33432, 270, 271
TEXTS = {
    ARTIST: "Σοφία Müller".encode(),
    COPYRIGHT: b"\xa9 Andr\xe9, 1931",  # Latin-1
    DESCRIPTION: "река".encode("cp1251"),
    CAMERA: b"a camera",
}
KEEPING = [suffix for suffix in (".jpg", ".png", ".tif", ".webp", ".avif") if suffix in photos.FORMATS]


def texts(**more) -> dict:
    entries = {tag: exif.Entry(2, len(text) + 1, text + b"\0") for tag, text in TEXTS.items()}
    return entries | more


def block(order="<", entries=None) -> bytes:
    return b"Exif\0\0" + exif.pack(order, texts() if entries is None else entries)


def texts_of(photo) -> dict:
    _, entries, damaged = exif.parse(photo.metadata["exif"].removeprefix(b"Exif\0\0"))
    assert damaged == 0
    return {tag: value.data.rstrip(b"\0") for tag, value in entries.items() if tag in TEXTS}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("target", KEEPING)
@pytest.mark.parametrize("source", [".jpg", ".png", ".webp"])
def test_texts_outside_ascii_come_back_as_they_were(tmp_path, source, target, order):
    Image.fromarray(RGB).save(tmp_path / f"a{source}", exif=block(order))
    photo = photos.read(tmp_path / f"a{source}")
    assert texts_of(photo) == TEXTS and not photo.notes
    photo.save(tmp_path / f"b{target}")
    assert texts_of(photos.read(tmp_path / f"b{target}")) == TEXTS


def test_other_readers_understand_what_is_written(tmp_path):
    entries = texts()
    entries[exif.EXIF] = {0x9003: exif.Entry(2, 20, b"1943:06:21 12:34:56\0"), 0x829A: exif.rational("<", 0.004)}
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=block(entries=entries))
    for suffix in KEEPING:
        photos.read(tmp_path / "a.jpg").save(tmp_path / f"b{suffix}")
        with Image.open(tmp_path / f"b{suffix}") as image:
            seen = image.getexif()
            assert seen[CAMERA] == "a camera" and set(TEXTS) <= set(seen)
            inner = seen.get_ifd(ExifTags.IFD.Exif)
            assert inner[0x9003] == "1943:06:21 12:34:56" and float(inner[0x829A]) == 0.004


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # photos silences them, pytest takes that back
@pytest.mark.parametrize(
    "bad",
    [
        struct.pack("<HHII", 305, 2, 500, 2**31),  # lies behind the end
        struct.pack("<HHII", 305, 99, 1, 0),  # of a type that does not exist
        struct.pack("<HHII", 305, 5, 2**30, 8),  # larger than the block
        struct.pack("<HHII", 305, 2, 0, 0),  # empty
        struct.pack("<HHII", exif.EXIF, 4, 1, 2**31),  # a directory behind the end
    ],
)
def test_one_bad_entry_costs_itself_alone(tmp_path, bad):
    content = bytearray(block(entries=texts() | {305: exif.Entry(2, 4, b"abc\0")}))
    at = content.find(struct.pack("<HH", 305, 2))
    content[at : at + 12] = bad
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=bytes(content))
    photo = photos.read(tmp_path / "a.jpg")
    assert texts_of(photo) == TEXTS
    assert photo.notes == ["1 of its EXIF entries are damaged and left out"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_directory_that_breaks_off_keeps_what_is_there(tmp_path):
    content = bytearray(block())
    content[14:16] = struct.pack("<H", 4000)  # promises more entries than there are bytes
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=bytes(content))
    assert texts_of(photos.read(tmp_path / "a.jpg")) == TEXTS


def test_entries_that_overlap_cannot_ask_for_any_amount_of_memory():
    content = bytearray(exif.pack("<", {tag: exif.Entry(7, 5, b"12345") for tag in range(1, 2001)}) + bytes(50_000))
    for i in range(2000):
        content[10 + 12 * i + 4 : 10 + 12 * i + 12] = struct.pack("<II", 50_000, 100)
    _, entries, damaged = exif.parse(bytes(content))
    assert sum(len(entry.data) for entry in entries.values()) <= len(content) and damaged == 2000 - len(entries)


@pytest.mark.parametrize("target", KEEPING)
def test_bigtiff_becomes_every_other_format(tmp_path, target):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    tags = [(tag, "s", len(text) + 1, text, True) for tag, text in TEXTS.items() if tag != DESCRIPTION]
    options = {"bigtiff": True, "byteorder": "<", "photometric": "rgb", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", RGB, extratags=tags, description=TEXTS[DESCRIPTION], **options)
    assert (tmp_path / "a.tif").read_bytes().startswith(b"II+\0")
    photo = photos.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.rgb, RGB)
    photo.save(tmp_path / f"b{target}")
    again = photos.read(tmp_path / f"b{target}")
    assert texts_of(again) == TEXTS and not again.notes
    with Image.open(tmp_path / f"b{target}") as image:
        assert image.getexif()[CAMERA] == "a camera"


def test_bigtiff_with_the_high_byte_first_is_refused_with_the_way_out(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    tifffile.imwrite(tmp_path / "a.tif", RGB, bigtiff=True, byteorder=">", photometric="rgb", metadata=None)
    with pytest.raises(PhotoError, match="BigTIFF with the high byte first.*save it as TIFF or PNG"):
        photos.read(tmp_path / "a.tif")


def test_bigtiff_of_16_bits_is_read(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    deep = RGB.astype(np.uint16) * 256
    tifffile.imwrite(tmp_path / "a.tif", deep, bigtiff=True, photometric="rgb", compression="zlib", metadata=None)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.tif").rgb, deep)


def test_places_in_the_old_file_do_not_travel():
    entries = {0x014A: exif.numbers("<", [8]), exif.EXIF: {exif.INTEROPERABILITY: exif.numbers("<", [8])}}
    assert exif.travelling(entries) == {exif.EXIF: {}}


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"no EXIF block", b"II+\0\x08\0\0\0"])
def test_what_is_no_exif_block_is_a_value_error(content):
    with pytest.raises(ValueError, match="no EXIF block"):
        exif.parse(content)
