"""Films on a cluster: shots are found, given out one by one, and put together."""

import numpy as np
import pandas as pd
import pytest
from clips import Painter, av, moving, packets_of, pictures_of, times_of, write

fsspec = pytest.importorskip("fsspec", reason='fsspec is not installed: pip install -e ".[ray]" -c constraints.txt')

from colorizer.cluster import film  # noqa: E402
from colorizer.film import carry  # noqa: E402
from colorizer.film.colorize import Settings, colorize  # noqa: E402
from colorizer.film.probe import probe  # noqa: E402
from colorizer.film.reader import Reader  # noqa: E402
from colorizer.inference.batch_files import Outcome  # noqa: E402


@pytest.fixture
def clip(tmp_path):
    """Three shots, with sound."""
    (tmp_path / "in" / "reels").mkdir(parents=True)
    frames = moving(12) + moving(8, seed=3) + moving(10, seed=5)
    return write(tmp_path / "in" / "reels" / "film.mkv", frames, sound=True)


def spread(pairs, work):
    """Stands for the cluster: each shot by itself, the last one first."""
    for pair in reversed(pairs):
        yield from work([pair])


def do(clip, target, run=spread, identity=None, overwrite=False):
    about = {"identity": identity or {}, "load": Painter, "run": run, "overwrite": overwrite}
    return film.colorize_film(clip, target, Settings(), **about)


def test_shots_are_found_as_a_film_is_cut(clip):
    ends = [frame.time for frame in carry.shot_ends(Reader(probe(clip)).frames())]
    assert [round(end * float(probe(clip).time_base) / 0.04) for end in ends] == [11, 19, 29]


def test_shots_together_are_the_film(clip, tmp_path):
    target = tmp_path / "out" / "film.mkv"
    outcome = do(clip, target)
    assert outcome == Outcome(clip, target)
    colorize(Painter(), clip, tmp_path / "alone.mkv")
    assert times_of(target) == times_of(clip) and packets_of(target, "audio") == packets_of(clip, "audio")
    for one, other in zip(pictures_of(target), pictures_of(tmp_path / "alone.mkv"), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3
    assert [path.name for path in target.parent.iterdir()] == ["film.mkv"]


def test_finished_shots_are_not_done_again(clip, tmp_path):
    target, given = tmp_path / "film.mkv", []

    def lost(pairs, work):
        yield from work(pairs[1:2])
        yield Outcome(*pairs[0], "its worker was lost 3 times")

    def counted(pairs, work):
        given.extend(pairs)
        yield from spread(pairs, work)

    assert do(clip, target, lost).error == "its worker was lost 3 times" and not target.exists()
    assert do(clip, target, counted).error is None and len(given) == 2
    assert times_of(target) == times_of(clip)


def test_shots_of_other_weights_are_done_again(clip, tmp_path):
    pytest.importorskip("ray")
    from colorizer.cluster import colorize as cluster

    weights, classifier, given = tmp_path / "best.weights.h5", tmp_path / "classifier.keras", []

    def lost(pairs, work):
        yield from work(pairs[:1])
        yield Outcome(*pairs[1], "its worker was lost 3 times")

    def counted(pairs, work):
        given.append(len(pairs))
        yield from lost(pairs, work)

    def again(overwrite=False):
        options = cluster.Options(str(weights), classifier=str(classifier), engine="keras")
        return do(clip, tmp_path / "film.mkv", counted, cluster._identity(options), overwrite)

    weights.write_bytes(b"of one epoch")
    classifier.write_bytes(b"one")
    again(), again()
    for file, name in ((weights, "weights"), (classifier, "classifier")):
        file.write_bytes(b"trained further")
        assert f"frames of it with something else: {name} changed. Repeat" in again().error
        again(overwrite=True)
    assert given == [3, 2, 3, 3]


def test_a_truncated_film_is_said_and_written_under_another_name(tmp_path):
    whole = write(tmp_path / "whole.mkv", moving(100), options={"crf": "5", "g": "5"})
    cut, target, part = (tmp_path / name for name in ("film.mkv", "color.mkv", "color.part.mkv"))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    outcome = do(cut, target)
    assert "s before its stated end: truncated or damaged. What could be read is in " in outcome.error
    assert outcome.error.endswith(str(part)) and len(times_of(part)) > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["color.part.mkv", "film.mkv", "whole.mkv"]
    assert (
        "the name of its unfinished part" in do(cut, target, run=lambda *_: pytest.fail("shots were given out")).error
    )


def test_damaged_places_are_said(tmp_path):
    about = {"codec": "png", "pix_fmt": "gray", "options": {}}
    source = write(tmp_path / "film.avi", moving(40), **about)
    data = bytearray(source.read_bytes())
    start = data.index(b"\x89PNG", len(data) // 2)
    data[start : start + 8] = bytes(8)
    source.write_bytes(data)
    outcome = do(source, tmp_path / "film.mp4")
    assert not outcome.error and "damaged places that could not be decoded: 1" in outcome.notes
    assert outcome.notes == tuple(colorize(Painter(), source, tmp_path / "alone.mp4").notes)


def test_the_next_preview_replaces_the_last(clip, tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray")
    from colorizer.cluster import __main__ as command

    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / "reels").mkdir(parents=True)
    for name in ("film.mkv", "film.preview.mkv"):
        (tmp_path / "out" / "reels" / name).touch()
    words = ["colorize", "in", "-o", "out", "--dry-run"]
    assert command.main(words) == 0 and "0 to colorize, 1 to skip" in capsys.readouterr().out
    assert command.main([*words, "--preview", "1"]) == 0 and "1 to colorize, 0 to skip" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--reference", "a.png"], ["--hints", "beside"], ["--format", "png"]])
def test_what_is_for_photos_is_refused_for_films_alone(clip, tmp_path, monkeypatch, capsys, words):
    pytest.importorskip("ray")
    from colorizer.cluster import __main__ as command

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    assert command.main(["colorize", "in", "-o", "out", "--dry-run", *words]) == 2
    said = capsys.readouterr()
    assert "for photos" in said.err and "Received" in said.err and not said.out
    if "--hints" in words:
        (tmp_path / "in" / "photo.png").touch()
        assert command.main(["colorize", "in", "-o", "out", "--dry-run", *words]) == 0


def test_a_second_run_on_one_film_is_a_line(clip, tmp_path):
    target, errors = tmp_path / "film.mkv", []

    def twice(pairs, work):
        errors.append(do(clip, target, run=lambda *_: pytest.fail("shots were given out")).error)
        yield from spread(pairs, work)

    assert do(clip, target, twice).error is None and times_of(target) == times_of(clip)
    assert errors[0].startswith("another run is making this film now")


def test_a_bad_film_is_a_line(tmp_path):
    (tmp_path / "film.mkv").write_bytes(b"a shopping list")
    assert "no film, or damaged" in do(tmp_path / "film.mkv", tmp_path / "out.mkv").error


@pytest.mark.parametrize("error", [av.error.InvalidDataError(1, "bad packet"), MemoryError()])
def test_what_nobody_expects_of_a_film_is_a_line(clip, tmp_path, monkeypatch, error):
    def failing(*_, **__):
        raise error

    monkeypatch.setattr(film, "colorize_shot", failing)
    assert do(clip, tmp_path / "out.mkv").error.startswith(("cannot be colorized: ", "not enough memory"))
    if isinstance(error, av.error.FFmpegError):
        monkeypatch.setattr(carry, "shot_ends", failing)
        assert do(clip, tmp_path / "out.mkv").error == "cannot be decoded: bad packet"


def test_films_of_a_tree_are_mirrored(clip, tmp_path):
    source, output = tmp_path / "in", tmp_path / "in" / "out"
    output.mkdir()
    (output / "film.mkv").touch()
    assert film.list_films(str(source), str(output)) == [(clip, output / "reels" / "film.mkv")]
    assert film.list_films(f"file://{source}", f"file://{output}") == [(clip, output / "reels" / "film.mkv")]
    assert film.list_films("memory://bucket/in", "memory://bucket/out") == []
    assert film.list_films(str(source), "memory://bucket/out/")[-1] == (clip, "memory://bucket/out/reels/film.mkv")


def test_films_for_a_bucket_fail_instead_of_going_to_a_local_folder(clip, tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray")
    from colorizer.cluster import __main__ as command

    monkeypatch.chdir(tmp_path)
    words = ["colorize", "in", "-o", "memory://films/out"]
    assert command.main([*words, "--dry-run"]) == 2
    assert f"{film.LEFT_OUT}. Received: memory://films/out" in capsys.readouterr().err
    (tmp_path / "in" / "photo.png").touch()
    assert command.main([*words, "--dry-run"]) == 1
    said = capsys.readouterr()
    assert f"{clip}: {film.LEFT_OUT}" in said.err and "1 to colorize, 0 to skip, 1 would fail" in said.out
    fsspec.filesystem("memory").pipe("/films/out/photo.png", b"made before")
    assert command.main(words) == 1 and capsys.readouterr().out.endswith("\n0 done, 1 skipped, 1 failed\n")
    with fsspec.open("memory://films/out/report.parquet") as file:
        rows = pd.read_parquet(file)[["file", "status", "reason"]].values.tolist()
    assert [str(clip), "failed", film.LEFT_OUT] in rows and len(rows) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_copies_have_the_names_that_colorize_gives_them(tmp_path, clip):
    (clip.parent / "old.avi").write_bytes(b"")
    root, out = clip.parents[1], tmp_path / "out"
    assert [target.name for _, target in film.list_films(root, out)] == ["film.mkv", "old.avi.mkv"]
    assert [target.name for _, target in film.list_films(root, out, preview=True)] == [
        "film.preview.mkv",
        "old.avi.preview.mkv",
    ]


def test_a_folder_that_cannot_be_written_to_is_a_line(clip, tmp_path):
    (tmp_path / "notes").write_text("")
    assert do(clip, tmp_path / "notes" / "film.mkv").error.startswith("cannot be written")
