"""TIFF files from inside: nothing but their own pixels comes out, whatever their strips hold."""

import contextlib
import ctypes
import io
import struct

import numpy as np
import pytest
from PIL import Image
from shots import ALPHA, DEEP, RGB, hidden_white, oriented

from colorizer import photos
from colorizer.errors import PhotoError
from colorizer.photos import exif, tiff

NOISE = np.random.default_rng(3).integers(0, 256, (96, 304, 3)).astype(np.uint8)
KINDS = [
    ("1", "tiff_ccitt"),
    ("1", "group3"),
    ("1", "group4"),
    *((mode, name) for mode in ("L", "RGB") for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
    *((mode, name) for mode in ("RGB", "I;16") for name in ("lzma", "zstd")),
    ("I;16", "tiff_lzw"),
]


def compressed(mode: str, compression: str, strip_size: int = 2**20, **tags) -> bytes:
    """A TIFF of noise; of one strip, unless `strip_size` is small."""
    picture = Image.fromarray(NOISE)
    picture = Image.fromarray(NOISE[..., 0] * np.uint16(257)) if mode == "I;16" else picture.convert(mode)
    file = io.BytesIO()
    info = {int(name[1:]): value for name, value in tags.items()}
    try:
        picture.save(file, "TIFF", compression=compression, strip_size=strip_size, tiffinfo=info)
    except Exception as error:
        pytest.skip(f"this Pillow does not write {compression}: {error}")
    return file.getvalue()


def unpacked(content: bytes):
    """The byte order, the directory and the strips of a TIFF."""
    order, directory, damaged = exif.parse(content)
    places, lengths = (
        struct.unpack(f"{order}{directory[tag].count}{'H' if directory[tag].kind == 3 else 'I'}", directory[tag].data)
        for tag in (tiff.OFFSETS, tiff.LENGTHS)
    )
    assert damaged == 0
    return order, directory, [content[at : at + length] for at, length in zip(places, lengths, strict=True)]


def packed(order: str, directory, strips, places=(tiff.OFFSETS, tiff.LENGTHS)) -> bytes:
    """A TIFF of this directory and these strips or tiles."""
    lengths = [len(strip) for strip in strips]

    def head(start):
        at = [start + sum(lengths[:i]) for i in range(len(strips))]
        return exif.pack(
            order, directory | {places[0]: exif.numbers(order, at), places[1]: exif.numbers(order, lengths)}
        )

    return head(len(head(0))) + b"".join(strips)


def fields(order="<", **values):
    return {getattr(tiff, name): exif.numbers(order, np.atleast_1d(value).tolist()) for name, value in values.items()}


@contextlib.contextmanager
def memory_full_of(byte: int):
    """New memory of the C library holds this byte, as if somebody's pixels had been there."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        pytest.skip("only glibc fills new memory")
    mallopt(-6, byte ^ 0xFF)
    try:
        yield
    finally:
        mallopt(-6, 0)


def read_twice(path):
    """What is read where memory holds one thing, and another; None where it is refused both times."""
    results = []
    for byte in (0x33, 0xA5):
        with memory_full_of(byte):
            try:
                results.append(photos.read(path).rgb)
            except PhotoError as error:
                assert "\n" not in str(error)
                results.append(None)
    assert (results[0] is None) == (results[1] is None)
    if results[0] is not None:
        np.testing.assert_array_equal(*results)
    return results[0]


@pytest.fixture
def first_line_only(monkeypatch):
    """Without the second line behind it, the clearing of memory."""
    monkeypatch.setattr(tiff, "cleared_memory", contextlib.nullcontext)


@pytest.mark.parametrize("strip_size", [2**20, 1024])
@pytest.mark.parametrize("mode, compression", KINDS)
def test_strips_that_are_cut_are_refused_or_give_no_one_elses_pixels(
    tmp_path, first_line_only, mode, compression, strip_size
):
    content = compressed(mode, compression, strip_size)
    order, directory, strips = unpacked(content)
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    whole = read_twice(path)
    assert whole is not None
    refused = 0
    for share in (0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96):
        for index in {0, len(strips) - 1}:
            cut = [strip[: int(share * len(strip))] if i == index else strip for i, strip in enumerate(strips)]
            path.write_bytes(packed(order, directory, cut))
            pixels = read_twice(path)
            refused += pixels is None
            if pixels is not None:  # only the mark of the end, or the end of the last row, was cut
                assert (pixels != whole).any(axis=(1, 2)).sum() <= 1
    assert refused >= 9


@pytest.mark.parametrize("options", [0, 1, 4, 5])
@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_whole_faxes_of_every_kind_are_read(tmp_path, first_line_only, compression, fill_order, options):
    tag = "t292" if compression == "group3" else "t293"
    content = compressed("1", compression, 1024, **{tag: options if compression == "group3" else 0})
    order, directory, strips = unpacked(content)
    if fill_order == 2:
        strips = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in strip) for strip in strips]
        directory[tiff.FILL_ORDER] = exif.shorts(order, 2)
    path = tmp_path / "a.tif"
    path.write_bytes(packed(order, directory, strips))
    expected = np.asarray(Image.fromarray(NOISE).convert("1").convert("RGB"))
    np.testing.assert_array_equal(read_twice(path), expected)
    path.write_bytes(packed(order, directory, [strips[0], strips[1][: len(strips[1]) // 2], *strips[2:]]))
    assert read_twice(path) is None


def test_a_fax_of_126_bytes_does_not_return_what_memory_holds(tmp_path, first_line_only):
    directory = fields(WIDTH=640, HEIGHT=2880, BITS=1, COMPRESSION=4, POLARITY=0, SAMPLES=1, ROWS=2880)
    content = packed("<", directory, [b"\x80\x08\x00\x80"])
    assert len(content) == 126
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(PhotoError, match="truncated or damaged: a fax with fewer rows than it should have"):
        photos.read(tmp_path / "a.tif")


@pytest.mark.parametrize("color", ["RGB", "YCbCr"])
@pytest.mark.parametrize("size", [(304, 40), (303, 96), (16, 16), (304, 200)])
def test_a_jpeg_in_a_tiff_of_another_size_is_refused(tmp_path, first_line_only, size, color):
    file = io.BytesIO()
    Image.fromarray(NOISE).resize(size).save(file, "JPEG")
    directory = fields(WIDTH=304, HEIGHT=96, BITS=(8, 8, 8), COMPRESSION=7, SAMPLES=3, ROWS=96)
    directory |= fields(POLARITY=6 if color == "YCbCr" else 2)
    (tmp_path / "a.tif").write_bytes(packed("<", directory, [file.getvalue()]))
    with pytest.raises(PhotoError, match="a JPEG of .* where 304 x 96 should be"):
        photos.read(tmp_path / "a.tif")


@pytest.mark.parametrize("has_length", [False, True])
def test_old_style_jpeg_in_a_tiff_is_read_if_whole(tmp_path, first_line_only, has_length):
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG", quality=95, subsampling=0)
    directory = fields(WIDTH=304, HEIGHT=96, BITS=(8, 8, 8), COMPRESSION=6, SAMPLES=3, ROWS=96, POLARITY=6)
    for content, is_whole in ((file.getvalue(), True), (file.getvalue()[:6000], False)):
        more = {513: 0} | ({514: len(content)} if has_length else {})
        directory |= {tag: exif.numbers("<", [number]) for tag, number in more.items()}
        directory[513] = exif.numbers("<", [len(packed("<", directory, [content])) - len(content)])
        (tmp_path / "a.tif").write_bytes(packed("<", directory, [content]))
        pixels = read_twice(tmp_path / "a.tif")
        assert (pixels is not None) == is_whole
        if is_whole:
            with Image.open(file) as image:
                assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 2


@pytest.mark.parametrize("tile", [(2**15, 2**15), (0, 16)])
def test_tiles_of_absurd_sizes_are_refused(tmp_path, tile):
    directory = fields(WIDTH=304, HEIGHT=96, BITS=1, COMPRESSION=4, POLARITY=1, SAMPLES=1)
    directory |= fields(TILE_WIDTH=tile[0], TILE_HEIGHT=tile[1])
    (tmp_path / "a.tif").write_bytes(packed("<", directory, [b"1234"], (tiff.TILE_OFFSETS, tiff.TILE_LENGTHS)))
    with pytest.raises(PhotoError, match=f"strips or tiles of {tile[0]} x {tile[1]} pixels"):
        photos.read(tmp_path / "a.tif")


def test_strips_that_all_claim_the_whole_file_are_not_read_whole(tmp_path):
    rows = 96
    directory = fields(WIDTH=304, HEIGHT=rows, BITS=(16,) * 3, COMPRESSION=8, POLARITY=2, SAMPLES=3, ROWS=1)
    directory |= fields(OFFSETS=[8] * rows, LENGTHS=[2**30] * rows)
    (tmp_path / "a.tif").write_bytes(exif.pack("<", directory))
    with Image.open(tmp_path / "a.tif") as image:
        assert sum(tiff.parts(image.tag_v2).lengths) < 96 * 2**17


def test_what_is_no_jpeg_in_a_tiff_is_refused(tmp_path):
    directory = fields(WIDTH=304, HEIGHT=96, BITS=(8, 8, 8), COMPRESSION=7, SAMPLES=3, ROWS=96, POLARITY=2)
    (tmp_path / "a.tif").write_bytes(packed("<", directory, [b"anything else"]))
    with pytest.raises(PhotoError, match="truncated or damaged: no JPEG where one should be"):
        photos.read(tmp_path / "a.tif")


def test_tiles_that_are_cut_are_refused(tmp_path, first_line_only):
    order, _, (strip,) = unpacked(compressed("1", "group4"))
    directory = fields(WIDTH=500, HEIGHT=90, BITS=1, COMPRESSION=4, POLARITY=1, SAMPLES=1)
    directory |= fields(TILE_WIDTH=304, TILE_HEIGHT=96)
    path = tmp_path / "a.tif"
    for tiles, is_whole in (([strip, strip], True), ([strip, strip[:200]], False)):
        path.write_bytes(packed(order, directory, tiles, (tiff.TILE_OFFSETS, tiff.TILE_LENGTHS)))
        assert (read_twice(path) is not None) == is_whole


def test_memory_is_cleared_besides(tmp_path, monkeypatch):
    """Were a short strip to pass the check, its rows would be black."""
    monkeypatch.setattr(tiff, "check_whole", lambda image: None)
    directory = fields(WIDTH=640, HEIGHT=2880, BITS=1, COMPRESSION=4, POLARITY=1, SAMPLES=1, ROWS=2880)
    (tmp_path / "a.tif").write_bytes(packed("<", directory, [b"\x80\x08\x00\x80"]))
    with memory_full_of(0xA5):
        rgb = photos.read(tmp_path / "a.tif").rgb
    assert len(np.unique(rgb[1000:].reshape(-1, 3), axis=0)) == 1


def gray16(pixels: np.ndarray, compression: str) -> bytes:
    """The one strip of a 16-bit picture of one channel."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", compression=compression, strip_size=2**20)
    return unpacked(file.getvalue())[2][0]


@pytest.mark.parametrize("compression, number", [("tiff_lzw", 5), ("tiff_adobe_deflate", 8), ("packbits", 32773)])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["planes", "planes and alpha", "gray and alpha", "colors and alpha", "tiles"])
def test_16_bit_tiff_of_every_layout_and_compression(tmp_path, kind, compression, number, predictor, orientation):
    gray = np.dstack([DEEP[..., :1], ALPHA * np.uint16(257)])
    color = np.dstack([DEEP, ALPHA * np.uint16(257)])
    upright = {"planes": DEEP, "tiles": DEEP, "gray and alpha": gray}.get(kind, color)
    stored = oriented(upright, orientation)
    height, width, channels = stored.shape
    rows, across = 7, 32
    directory = fields(WIDTH=width, HEIGHT=height, BITS=[16] * channels, COMPRESSION=number, SAMPLES=channels)
    directory |= fields(POLARITY=1 if kind.startswith("gray") else 2, ORIENTATION=orientation, PREDICTOR=predictor)
    directory |= fields(EXTRA=2) if channels in (2, 4) else {}
    places = tiff.OFFSETS, tiff.LENGTHS
    if kind == "tiles":
        padded = np.pad(stored, ((0, -height % 16), (0, -width % across), (0, 0)))
        blocks = [
            padded[y : y + 16, x : x + across]
            for y in range(0, len(padded), 16)
            for x in range(0, padded.shape[1], across)
        ]
        directory |= fields(TILE_WIDTH=across, TILE_HEIGHT=16)
        places = tiff.TILE_OFFSETS, tiff.TILE_LENGTHS
    else:
        planes = [stored[..., i : i + 1] for i in range(channels)] if kind.startswith("planes") else [stored]
        blocks = [plane[top : top + rows] for plane in planes for top in range(0, height, rows)]
        directory |= fields(ROWS=rows, PLANES=2 if kind.startswith("planes") else 1)
    if predictor == 2:
        blocks = [np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1])) for block in blocks]
    strips = [gray16(block.reshape(len(block), -1), compression) for block in blocks]
    (tmp_path / "a.tif").write_bytes(packed("<", directory, strips, places))
    photo = photos.read(tmp_path / "a.tif")
    expected = np.dstack([DEEP[..., 0]] * 3) if kind.startswith("gray") else DEEP
    assert photo.rgb.dtype == np.dtype(np.uint16) and photo.gray == kind.startswith("gray")
    np.testing.assert_array_equal(photo.rgb, expected if photo.alpha is None else hidden_white(expected, ALPHA))
    assert (photo.alpha is not None) == (channels in (2, 4))
    if photo.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, ALPHA * np.uint16(257))
    strips[-1] = strips[-1][: len(strips[-1]) // 2]
    (tmp_path / "a.tif").write_bytes(packed("<", directory, strips, places))
    with pytest.raises(PhotoError, match="truncated or damaged"):
        photos.read(tmp_path / "a.tif")


def test_16_bit_tiff_without_compression_that_is_cut_is_refused(tmp_path):
    photos.write(tmp_path / "a.tif", DEEP)
    directory = fields(WIDTH=60, HEIGHT=40, BITS=(16, 16, 16), COMPRESSION=1, POLARITY=2, SAMPLES=3, ROWS=40)
    for length, is_whole in ((DEEP.nbytes, True), (DEEP.nbytes - 2, False)):
        (tmp_path / "a.tif").write_bytes(packed("<", directory, [DEEP.tobytes()[:length]]))
        if is_whole:
            photo = photos.read(tmp_path / "a.tif")
            np.testing.assert_array_equal(photo.rgb, DEEP)
            assert photo.rgb.flags.writeable
        else:
            with pytest.raises(PhotoError, match="truncated or damaged: fewer pixels"):
                photos.read(tmp_path / "a.tif")


def test_8_bit_tiff_in_tiles_and_planes_is_read(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, which comes with scikit-image")
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", tile=(16, 16), compression="zlib", metadata=None)
    np.testing.assert_array_equal(photos.read(tmp_path / "a.tif").rgb, RGB)
