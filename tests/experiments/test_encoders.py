"""The experiment on encoders and sets: its sets' flags, and its lines."""

from colorizer.training.long.__main__ import picture_set
from experiments import encoders


def test_a_set_is_named_as_the_long_training_takes_it(tmp_path, picture_folder):
    flags = encoders.set_flags((str(picture_folder), "photographs"), picture_folder, tmp_path, None)
    assert flags[::2] == ["--set", "--set"]
    own, photographs = map(picture_set, flags[1::2])
    assert photographs.weight == 2 * own.weight
    assert 0 < len(own.names) < len(photographs.names), "of the first the training pictures, of the folder all"
    assert set(own.names) <= set(photographs.names)


def test_a_line_says_how_far_a_case_is_from_the_first_on_the_same_pictures():
    def rows(*psnr):
        return {"coco": [{"psnr_rgb": one, "ciede2000": 9.0, "colourfulness": 20.0} for one in psnr]}

    base = rows(20.0, 26.0)
    (first,) = encoders.lines(encoders.CASES[0], base, base, 64)
    (other,) = encoders.lines(encoders.CASES[1], rows(19.0, 24.0), base, 64)
    assert first["psnr_rgb"] == 23 and "minus_base" not in first
    assert (other["minus_base"], other["low"], other["high"]) == (-1.5, -2.0, -1.0)
    assert (other["encoder"], other["samples"], other["pictures"]) == ("efficientnet_lite2", 64, 2)
