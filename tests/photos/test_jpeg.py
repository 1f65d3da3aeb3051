"""JPEG files that end too early: read where every pixel is there, else refused."""

import io

import numpy as np
import pytest
from PIL import Image
from shots import RGB

from colorizer import photos
from colorizer.errors import PhotoError

NOISE = np.random.default_rng(5).integers(0, 256, (72, 120, 3)).astype(np.uint8)
KINDS = {
    "baseline": {},
    "gray": {"mode": "L"},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "rows of restarts": {"restart_marker_rows": 1, "subsampling": 0},
}


def jpeg(kind: str, pixels=NOISE) -> bytes:
    options = dict(KINDS[kind])
    file = io.BytesIO()
    Image.fromarray(pixels).convert(options.pop("mode", "RGB")).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_the_mark_of_its_end_is_read(tmp_path, kind, missing):
    content = jpeg(kind)
    (tmp_path / "a.jpg").write_bytes(content)
    whole = photos.read(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(content[:-missing])
    photo = photos.read(tmp_path / "a.jpg")
    np.testing.assert_array_equal(photo.rgb, whole.rgb)
    assert photo.gray == whole.gray and photo.metadata == whole.metadata


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_pixels_is_refused_wherever_it_was_cut(tmp_path, kind):
    """Also at each restart and between two scans, where a decoder sees nothing amiss."""
    content = jpeg(kind)
    marks = [at for at in range(len(content) - 1) if content[at] == 0xFF and content[at + 1] not in (0, 0xD9)]
    places = {at + step for at in marks[-12:] for step in (0, 1, 2) if 700 < at + step < len(content) - 20}
    for place in sorted(places | set(range(700, len(content) - 20, len(content) // 15))):
        (tmp_path / "a.jpg").write_bytes(content[:place])
        with pytest.raises(PhotoError, match="truncated or damaged|not a readable picture"):
            photos.read(tmp_path / "a.jpg")


def test_the_pixels_of_a_jpeg_without_its_end_are_set_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    whole = photos.read(tmp_path / "a.jpg").rgb
    (tmp_path / "a.jpg").write_bytes(content[:-2])
    np.testing.assert_array_equal(photos.read(tmp_path / "a.jpg").rgb, whole)
    assert whole.shape == (RGB.shape[1], RGB.shape[0], 3)
