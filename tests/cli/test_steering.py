"""colorize.py with hints, sidecars, a reference and versions: files, refusals, and the same result again."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from test_colorize import colorize, files_below, picture, run  # noqa: F401  (fixtures among them)

from colorizer import Hint, color, methods, photos, weights
from colorizer.steering import sidecar

BLUE = "#3050a0"


def ab_at(path, x, y):
    return color.rgb_to_lab(photos.read(path).rgb)[y, x, 1:]


def is_blue(path, x, y):
    return np.linalg.norm(ab_at(path, x, y) - Hint(0, 0, BLUE).ab) < 6


def test_a_typed_hint_is_saved_and_its_file_gives_the_same_result(colorize, tmp_path):  # noqa: F811
    picture(tmp_path / "a.png", 3)
    assert colorize("a.png", "-o", "b.png", "--hint", f"40,30,{BLUE}", "--save-hints", "h.json")[0] == 0
    assert is_blue(tmp_path / "b.png", 40, 30)
    assert colorize("a.png", "-o", "c.png", "--hints", "h.json")[0] == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()
    assert json.loads((tmp_path / "h.json").read_text())["hints"] == [{"x": 40.0, "y": 30.0, "color": BLUE}]


def test_sidecars_beside_the_photos_steer_a_folder_and_a_broken_one_costs_its_photo(colorize, tmp_path):  # noqa: F811
    for name in ("steered", "automatic", "broken", "other"):
        picture(tmp_path / f"in/{name}.png", 3)
    sidecar.write(sidecar.beside(tmp_path / "in/steered.png"), [Hint(80, 60, BLUE)], 120, 160)
    sidecar.write(sidecar.beside(tmp_path / "in/other.png"), [Hint(80, 60, BLUE)], 160, 120)
    sidecar.beside(tmp_path / "in/broken.png").write_text("{")
    status, out, err = colorize("in", "-o", "out", "--hints", "beside", "--strength", "0.5")
    assert status == 1 and "2 done, 0 skipped, 2 failed" in out
    assert "in/broken.png: " in err and "JSON" in err and "another shape" in err and "Traceback" not in err
    assert is_blue(tmp_path / "out/steered.png", 40, 30) and not is_blue(tmp_path / "out/automatic.png", 40, 30)
    # The strength is that of the network's colors.
    for name in ("steered", "automatic"):
        far = ab_at(tmp_path / f"out/{name}.png", 1, 1)
        assert np.linalg.norm(far) < 20
    assert files_below(tmp_path / "out") == ["automatic.png", "steered.png"]


def test_a_photo_with_a_very_long_name_has_no_hints_beside_it(colorize, tmp_path):  # noqa: F811
    name = f"{'a' * 246}.png"  # its file of hints would have 261 letters
    picture(tmp_path / "in" / name, 3)
    status, _, err = colorize("in", "-o", "out", "--hints", "beside")
    assert (status, err) == (0, "") and files_below(tmp_path / "out") == [name]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a.png", "--hint", "300,20,#000000"], "80 x 60 pixels. Received: 300,20"),
        (["a.png", "--hint", "10,20,red"], "--hint: A hint's color is #rrggbb"),
        (["a.png", "--hint", "10,20"], "--hint: A hint is X,Y,#RRGGBB"),
        (["a.png", "--hints", "absent.json"], "absent.json: the hints cannot be read: No such file"),
        (["a.png", "--hints", "broken.json"], "broken.json: A file of hints is JSON"),
        (["a.png", "--save-hints", "broken.json/h.json"], "--save-hints: broken.json is not a folder. Received: "),
        (["a.png", "--save-hints", "a.png"], "--save-hints replaces nothing but a file of hints. Received: a.png"),
        (["a.png", "--save-hints", "broken.json"], "--save-hints replaces nothing but a file of hints"),
        (["a.png", "--save-hints", "."], "--save-hints replaces nothing but a file of hints. Received: ."),
        (["a.png", "--save-hints", "out/../out/a.png"], "--save-hints and -o name one file. Received: out/"),
        (["a.png", "--reference", "absent.png"], "encoder"),
        (["a.png", "--samples", "3"], "distribution"),
        (["a.png", "--samples", "99"], "--samples lies between 2 and 20. Received: 99"),
        (["a.png", "--samples", "0"], "--samples lies between 2 and 20. Received: 0"),
        (["a.png", "--samples", "3", "--dry-run"], "each version gets a file of its own hints. Received: --dry-run"),
        (["film.mp4", "--hint", "1,1,#000000"], "are for photos. Received: a film"),
        (["a.png", "b.png", "--hint", "1,1,#000000"], "--hint is for one photo. Received: 2"),
        (["a.png", "b.png", "--hints", "broken.json"], "--hints FILE is for one photo. Received: 2. For several take"),
        (["a.png", "b.png", "--save-hints", "h.json"], "Received: 2. Colorize each photo by a command of its own."),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_loads_no_backend(colorize, tmp_path, words, reason):  # noqa: F811
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    status, out, err = colorize(*words, "-o", "out/")
    assert status == 2 and reason in err and len(err.splitlines()) <= 2 and out == ""
    assert not (tmp_path / "out").exists()
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_a_hint_outside_loads_no_backend(tmp_path, run):  # noqa: F811
    words = [picture(tmp_path / "a.png"), "-o", tmp_path / "b.png", "--hint", "80,1,#000000", "--weights", run]
    code = (
        "import sys, colorize\n"
        "try: status = colorize.main(sys.argv[1:])\n"
        "except SystemExit as stop: status = stop.code\n"
        "print('ended:', status, sorted({'keras', 'tensorflow', 'jax', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "ended: 2 []", done


@pytest.fixture(scope="module")
def bins_run(tmp_path_factory):
    """A run of an untrained network with an encoder and a distribution."""
    import keras

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("bins")
    method = methods.get("vit_decoder")
    network = method.build(64)
    kernel = network.get_layer("decoder").get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 3, kernel.shape))
    network.save_weights(folder / weights.BEST)
    record = {"method": "vit_decoder", "image_size": 64, "classifier": "none"}
    (folder / "config.json").write_text(json.dumps(record))
    (folder / weights.ENCODER).write_text(method.encoder_of(network).to_json())
    return folder


def test_versions_are_files_with_their_hints_and_a_strip(colorize, tmp_path, bins_run):  # noqa: F811
    picture(tmp_path / "a.png", 3)
    words = ("--weights", bins_run, "--samples", "3", "--hint", f"40,30,{BLUE}")
    status, out, err = colorize("a.png", "-o", "out/b.png", *words, weights_given=False)
    assert status == 0, err
    assert files_below(tmp_path / "out") == sorted(
        ["b-strip.jpg", *(f"b-{n}.png" for n in (1, 2, 3)), *(f"b-{n}.png.hints.json" for n in (1, 2, 3))]
    )
    assert all(is_blue(tmp_path / f"out/b-{n}.png", 40, 30) for n in (1, 2, 3))
    one, two = (photos.read(tmp_path / f"out/b-{n}.png").rgb.astype(int) for n in (1, 2))
    assert np.abs(one - two).max() > 30
    again = ("--weights", bins_run, "--hints", "out/b-2.png.hints.json")
    assert colorize("a.png", "-o", "c.png", *again, weights_given=False)[0] == 0
    np.testing.assert_array_equal(photos.read(tmp_path / "c.png").rgb, two)
    status, _, err = colorize("a.png", "-o", "out/b.png", *words, weights_given=False)
    assert status == 2 and "exists already" in err


def test_the_first_version_is_the_automatic_result_and_strength_pales_all(colorize, tmp_path, bins_run):  # noqa: F811
    picture(tmp_path / "a.png", 3)
    words = ("--weights", bins_run, "--samples", "3")
    assert colorize("a.png", "-o", "auto.png", *words[:2], weights_given=False)[0] == 0
    assert colorize("a.png", "-o", "b.png", *words, weights_given=False)[0] == 0
    assert (tmp_path / "b-1.png").read_bytes() == (tmp_path / "auto.png").read_bytes()
    assert sidecar.read(tmp_path / "b-1.png.hints.json").hints == ()
    assert colorize("a.png", "-o", "gray.png", *words, "--strength", "0", weights_given=False)[0] == 0
    for number in (1, 2, 3):
        assert np.ptp(photos.read(tmp_path / f"gray-{number}.png").rgb.astype(int), axis=-1).max() <= 2


def test_an_unreadable_photo_fails_with_versions_as_without(colorize, tmp_path, bins_run):  # noqa: F811
    (tmp_path / "bad.jpg").write_text("a shopping list")
    for more in ([], ["--samples", "3"]):
        status, _, err = colorize("bad.jpg", "-o", "b.png", "--weights", bins_run, *more, weights_given=False)
        assert status == 1 and "bad.jpg: not a JPEG" in err
    assert files_below(tmp_path) == ["bad.jpg"]


@pytest.mark.parametrize("given", ["b-1.png", "b-strip.jpg", "b-2.png.hints.json"])
def test_versions_replace_no_input(colorize, tmp_path, bins_run, given):  # noqa: F811
    if given.endswith(".json"):
        picture(tmp_path / "a.png")
        sidecar.write(tmp_path / given, [Hint(8, 6, BLUE)], 60, 80)
        inputs = ["a.png", "--hints", given]
    else:
        picture(tmp_path / given)
        inputs = [given]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    words = ("--weights", bins_run, "--samples", "3", "--overwrite")
    status, out, err = colorize(*inputs, "-o", "b.png", *words, weights_given=False)
    assert status == 2 and out == "" and f"one of its inputs. Received: {given}" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_overwrite_never_replaces_the_reference(colorize, tmp_path, bins_run):  # noqa: F811
    picture(tmp_path / "album/1.png", 3)
    picture(tmp_path / "colored/1.png", 4)
    before = (tmp_path / "colored/1.png").read_bytes()
    words = ("--weights", bins_run, "--reference", "colored/1.png")
    status, _, err = colorize("album", "-o", "colored", *words, "--overwrite", weights_given=False)
    assert status == 2 and "--overwrite would replace the reference. Received: --reference colored/1.png" in err
    assert (tmp_path / "colored/1.png").read_bytes() == before
    assert colorize("album", "-o", "colored", *words, weights_given=False)[0] == 0, "it is skipped"


def test_a_refused_hint_is_not_saved(colorize, tmp_path):  # noqa: F811
    framed = np.pad(draw_picture(3, 220, 320), ((40, 40), (40, 40), (0, 0)))
    photos.write(tmp_path / "a.png", framed)
    words = ("--overwrite", "--save-hints", "h.json")
    assert colorize("a.png", "-o", "b.png", "--hint", f"200,150,{BLUE}", *words)[0] == 0
    before = (tmp_path / "h.json").read_bytes()
    status, _, err = colorize("a.png", "-o", "b.png", "--hints", "h.json", "--hint", f"5,5,{BLUE}", *words)
    assert status == 1 and "The frame around the photo gets no color" in err
    assert (tmp_path / "h.json").read_bytes() == before


def test_a_reference_of_the_same_photo_gives_its_colors(colorize, tmp_path, bins_run, monkeypatch):  # noqa: F811
    picture(tmp_path / "a.png", 3)
    rgb = photos.read(tmp_path / "a.png").rgb
    photos.write(tmp_path / "gray.png", color.gray(color.rgb_to_lab(rgb)[..., 0]))
    words = ("--weights", bins_run, "--reference", "a.png", "--save-hints", "h.json")
    assert colorize("gray.png", "-o", "b.png", *words, weights_given=False)[0] == 0
    assert len(json.loads((tmp_path / "h.json").read_text())["hints"]) >= 2
    assert colorize("gray.png", "-o", "alone.png", *words[:2], weights_given=False)[0] == 0
    truth, with_it, alone = (
        color.rgb_to_lab(photos.read(tmp_path / f"{name}.png").rgb) for name in ("a", "b", "alone")
    )
    assert np.linalg.norm(truth - with_it, axis=-1).mean() < 0.9 * np.linalg.norm(truth - alone, axis=-1).mean()
    monkeypatch.setattr("colorizer.steering.reference.LEAST_SHARE", 2)  # as if nothing were alike
    status, out, err = colorize("gray.png", "-o", "d.png", *words[:4], weights_given=False)
    assert status == 0 and "gray.png: the reference shows nothing" in out + err
    assert (tmp_path / "d.png").read_bytes() == (tmp_path / "alone.png").read_bytes()
    status, _, err = colorize("a.png", "-o", "c.png", *words[:2], "--reference", "gray.png", weights_given=False)
    assert status == 2 and "--reference: gray.png: A reference is a photo in color" in err
    status, _, err = colorize("a.png", "-o", "c.png", *words[:2], "--reference", "none.png", weights_given=False)
    assert status == 2 and "--reference: none.png: cannot be read: No such file" in err
