"""Where copies go: no photograph and no film takes the place of another, by whatever name its folder is called."""

import shutil

import pytest
from test_cluster import album, no_ray  # noqa: F401  (it skips this module without Ray)

from colorizer.cluster import __main__ as command
from colorizer.cluster import colorize, film


@pytest.mark.usefixtures("no_ray")
def test_an_output_by_another_name_is_no_other_folder(tmp_path, capsys):
    source, alias = album(tmp_path / "in", 2), tmp_path / "alias"
    alias.symlink_to(source)
    (source / "out").mkdir()
    shutil.copy(source / "0/000.png", source / "out")
    for output in (alias, f"file://{alias}"):
        assert command.main(["colorize", str(source), "-o", str(output), "--overwrite", "--dry-run"]) == 2
        assert "OUT is another folder than IN" in capsys.readouterr().err
    found = colorize.list_album(f"file://{source}", str(alias / "out"))
    assert [name for name, _ in found.pairs] == [f"{source}/{i}/{i:03d}.png" for i in range(2)]
    linked = tmp_path / "linked"
    (linked / "0").mkdir(parents=True)
    (linked / "0" / "000.png").symlink_to(source / "1/001.png")
    assert command.main(["colorize", str(source), "-o", str(linked), "--overwrite", "--dry-run"]) == 2
    assert f"{linked}/0/000.png is one of the photos to colorize" in capsys.readouterr().err


def test_films_below_another_output_are_films(tmp_path):
    clip = tmp_path / "in" / "reels" / "film.mkv"
    clip.parent.mkdir(parents=True)
    clip.touch()
    assert film.list_films(clip.parent, tmp_path / "in") == [(clip, tmp_path / "in" / "film.mkv")]
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "out").mkdir()
    (tmp_path / "in" / "out" / "film.mkv").touch()
    found = film.list_films(tmp_path / "in", tmp_path / "alias" / "out")
    assert found == [(clip, tmp_path / "in" / "out" / "reels" / "film.mkv")]


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("names", "output", "reason"),
    [
        (["reel.avi", "reel.avi.mkv"], "out", "reel.avi.mkv would both become OUT/reel.avi.mkv"),
        (["film.mkv", "film.part.mkv"], "out", "would become OUT/film.part.mkv, the name of what is done"),
        (["scans/film.mkv", "film.mkv"], "in/film.mkv", "is one of the films to colorize"),
    ],
)
def test_no_film_replaces_another(tmp_path, monkeypatch, capsys, names, output, reason):
    monkeypatch.chdir(tmp_path)
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    if output != "out":  # a link in OUT leads to another film of IN
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "film.mkv").symlink_to(tmp_path / output)
    assert command.main(["colorize", "in", "-o", "out", "--overwrite", "--dry-run"]) == 2
    assert reason.replace("OUT", str(tmp_path / "out")) in capsys.readouterr().err
