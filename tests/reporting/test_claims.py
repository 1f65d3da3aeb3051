"""The paper's claims: verdicts that follow from numbers known beforehand, and turn when the numbers do."""

import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key

from colorizer import experiments
from colorizer.evaluation.scores import COLUMNS, FIGURE5, NONE, TEST_LISTS
from colorizer.reporting.paper import claims, evidence, plausibility, published
from colorizer.reporting.paper.claims import EMPTY, NO, UNDECIDED, UNKNOWN, YES

WHOLE = {"epochs": 100, "epochs_done": 100}
TRUTH = {"a": 2.0, "b": 8.0, "chroma": 16.0, "brown": 0.45, "colored": 0.8}


@pytest.mark.parametrize(
    ("ours", "printed", "floors", "less_is_better", "verdict"),
    [
        (61.5, 64.89, (40.4, 59.6), False, EMPTY),  # COCO's accuracy: one color everywhere is within 10 % too
        (61.5, 64.89, (40.4, 56.0), False, YES),
        (61.5, 64.89, (40.4, 90.0), False, EMPTY),  # a floor that is better than the paper's
        (50.0, 64.89, (40.4, 59.6), False, NO),
        (0.125, 0.119, (0.015,), True, EMPTY),  # no color at all has a smaller error
        (0.0036, 0.0035, (0.02,), True, YES),
        (0.0039, 0.0035, (0.02,), True, NO),
    ],
)
def test_a_number_that_looking_at_nothing_reaches_is_no_evidence(ours, printed, floors, less_is_better, verdict):
    assert claims.number(ours, printed, floors, less_is_better) == verdict


@pytest.mark.parametrize(
    ("gaps", "floor_gaps", "verdict"),
    [
        ([(1, 0.5, 2)], [-1], YES),
        ([(1, 0.5, 2)], [1, 2], EMPTY),
        ([(1, 0.5, 2)], [1, -2], YES),
        ([(1, 0.5, 2), (1, -0.1, 2)], [], UNDECIDED),
        ([(1, 0.5, 2), (-1, -2, -0.1)], [], NO),
        ([], [], UNKNOWN),
    ],
)
def test_an_order_needs_intervals_that_exclude_zero(gaps, floor_gaps, verdict):
    assert claims.ordered(gaps, floor_gaps) == verdict


def test_a_short_run_leaves_a_claim_open_and_a_whole_one_settles_it(tmp_path):
    short = canned_run(tmp_path / "short", epochs=100, epochs_done=99)
    whole = canned_run(tmp_path / "whole", **WHOLE)
    assert claims.so_far(NO, whole) == NO
    assert claims.so_far(NO, whole, short) == "open: differs so far"
    assert claims.so_far(EMPTY, short) == "open: agrees so far, but proves nothing"
    assert claims.so_far(UNKNOWN, short) == UNKNOWN
    assert claims.so_far(YES, None) == YES
    stopped = canned_run(tmp_path / "stopped", epochs=100, epochs_done=61, ending="stopped")
    assert claims.so_far(NO, stopped) == NO, "more epochs would have changed nothing"


def test_an_open_claim_names_the_command_that_closes_it_and_no_other_does(world):
    cut, systems = {"epochs_done": 4, "ending": "cut"}, ("efficientnet", "let_there_be_color", "colorful", "gan")
    known = world(summaries={("efficientnet", "coco"): cut, ("gan", "paintings"): cut}, methods=systems)
    judged = claims.judge(known)
    command = "python -m colorizer reproduce --matrix paper --only "
    for claim in judged:
        assert claim.closing.startswith(command) == claim.verdict.startswith(claims.OPEN), claim.statement
    by_statement = {claim.statement: claim.closing.removeprefix(command) for claim in judged}
    assert by_statement["Table 2, trained on coco: validation MSE"] == "efficientnet-coco-256"
    assert by_statement["Table 2: the validation error is lower for paintings than for COCO"] == "efficientnet-coco-256"
    assert by_statement["Table 4: the order of the systems by SSIM (%) on paintings"] == "gan-paintings-128"
    assert by_statement["Table 2, trained on paintings: validation MSE"] == ""
    names = {row.name for row in experiments.MATRICES["paper"]}
    assert {name for rows in by_statement.values() for name in rows.split()} <= names


@pytest.fixture
def world(tmp_path):
    """Builds facts: runs of 100 epochs, and scores on 30 pictures of each list."""

    def build(psnr=None, ssim=None, summaries=None, measured=None, predictions=None, methods=("efficientnet",)):
        """psnr, ssim: (method or floor, trained on, test list) -> mean; the pictures' own differences cancel out."""
        spread = np.linspace(-1, 1, 30)
        found, rows = [], []
        for method in methods:
            for trained_on in ("paintings", "coco") if method == "efficientnet" else ("paintings",):
                given = (summaries or {}).get((method, trained_on), {})
                folder = tmp_path / f"{method}-{trained_on}"
                found.append(canned_run(folder, method, trained_on, **(WHOLE | given)))
        keys = {(run.method, run.trained_on): run_key(run) for run in found}
        keys |= {("all_grey", NONE): floor_key("all_grey")}
        keys |= {("mean_colour", t): floor_key("mean_colour", t) for t in ("paintings", "coco")}
        for key, head in keys.items():
            for test_set in (*TEST_LISTS, FIGURE5):
                p, s = ((table or {}).get((*key, test_set), base) for table, base in ((psnr, 20), (ssim, 0.9)))
                rows += canned_scores(head, test_set, list(p + spread), list(s + spread / 100))
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        kept = predictions or (lambda run: {})
        return evidence.Evidence(found, table, measured or {}, kept)

    return build


def claim(found, start):
    """The one claim that begins so."""
    (only,) = [c for c in found if c.statement.startswith(start)]
    return only


def test_table_2_is_judged_number_by_number(world):
    summary = {"val_mse": 0.0034, "val_accuracy": 0.89, "val_accuracy_mean_colour": 0.87}
    known = world(summaries={("efficientnet", "paintings"): summary, ("efficientnet", "coco"): {"epochs_done": 4}})
    found = claims.judge(known)
    assert claim(found, "Table 2, trained on paintings: validation MSE").verdict == YES
    accuracy = claim(found, "Table 2, trained on paintings: accuracy")
    assert (accuracy.verdict, accuracy.ours) == (EMPTY, "89.0")
    assert accuracy.floor == "all-gray 39.0, mean-color 87.0"
    coco = claim(found, "Table 2, trained on coco: validation MSE")
    assert (coco.printed, coco.ours, coco.verdict) == ("0.119", "0.0141", "open: differs so far")
    assert coco.why == "ours is better"
    assert claim(found, "Table 2, trained on coco: hours").verdict == UNKNOWN


@pytest.mark.parametrize(("gray", "mean", "verdict"), [(0.03, 0.02, YES), (0.01, 0.009, EMPTY), (0.03, 0.009, EMPTY)])
def test_easier_pictures_are_no_better_network(world, gray, mean, verdict):
    own = {"val_mse": 0.01, "val_mse_all_grey": gray, "val_mse_mean_colour": mean}
    known = world(summaries={("efficientnet", "paintings"): own})
    assert claim(claims.judge(known), "Table 2: the validation error is lower").verdict == verdict
    other = world_like(known, "val_mse", 0.02)
    assert claim(claims.judge(other), "Table 2: the validation error is lower").verdict == NO


def world_like(known, key, value):
    """The same facts, with one number of the paintings' run changed."""
    known.proposed("paintings").summary[key] = value
    return known


def test_the_two_trainings_are_compared_on_the_same_pictures(world):
    start = "Table 3: PSNR (dB) is higher when trained on paintings"
    better = {("efficientnet", "paintings", t): 20.2 for t in TEST_LISTS}  # far less than pictures differ
    found = claim(claims.judge(world(better)), start)
    assert found.verdict == YES and "coco: +0.20 [+0.20, +0.20] *" in found.ours


@pytest.mark.parametrize(
    ("psnr", "verdict"),
    [
        ({("efficientnet", "paintings", "coco"): 19.9}, NO),
        ({("efficientnet", "paintings", "coco"): 20.0}, UNDECIDED),
        ({("mean_colour", "paintings", t): 21 for t in TEST_LISTS}, EMPTY),
    ],
)
def test_the_comparison_of_trainings_turns_with_the_numbers(world, psnr, verdict):
    better = {("efficientnet", "paintings", t): 20.2 for t in TEST_LISTS}
    found = claims.judge(world(better | psnr))
    assert claim(found, "Table 3: PSNR (dB) is higher when trained on paintings").verdict == verdict


@pytest.mark.parametrize(
    ("ours", "gray", "verdict"), [(22, 20, YES), (22, 22, EMPTY), (18, 20, NO), (20.1, 20, UNDECIDED)]
)
def test_better_on_its_own_kind_of_pictures(world, ours, gray, verdict):
    psnr = {("efficientnet", "paintings", "paintings"): ours, ("all_grey", NONE, "paintings"): gray}
    found = claim(claims.judge(world(psnr)), "Table 3: trained on paintings, PSNR is higher on paintings")
    assert found.verdict == verdict
    assert f"paintings {ours:.2f} dB" in found.ours and f"paintings {gray:.2f} dB" in found.floor


def ranked(paintings, others):
    """SSIM of the four systems, best first, 0.01 apart."""
    table = {}
    for order, test_sets in ((paintings, ["paintings"]), (others, ["coco", "ood"])):
        for place, method in enumerate(order):
            table |= {(method, "paintings", t): 0.95 - place / 100 for t in test_sets}
    return table


PAPERS = ["efficientnet", "let_there_be_color", "colorful", "gan"]


def test_the_paper_s_order_is_reproduced_and_another_is_not(world):
    others = ["let_there_be_color", "colorful", "gan", "efficientnet"]
    found = claims.judge(world(ssim=ranked(PAPERS, others), methods=PAPERS))
    for statement in ("Table 4: the order of the systems by SSIM (%) on paintings", "Table 4: on other pictures"):
        assert claim(found, statement).verdict == YES
    good = claim(found, "Table 4: all four systems have a good SSIM")
    assert good.verdict == EMPTY and good.floor == "all-gray 90.0, mean-color 90.0"  # 87 % is reached without any color


def test_one_pair_the_other_way_round_is_enough(world):
    swapped = ["let_there_be_color", "efficientnet", "colorful", "gan"]
    found = claims.judge(world(ssim=ranked(swapped, swapped), methods=PAPERS))
    order = claim(found, "Table 4: the order of the systems by SSIM (%) on paintings")
    assert order.verdict == NO and order.why.startswith("differences: 5 agree, 1 are reversed")
    assert claim(found, "Table 4: on other pictures").verdict == NO


def test_an_order_of_systems_that_were_not_run_cannot_be_tested(world):
    found = claims.judge(world(ssim=ranked(PAPERS[:2], PAPERS[:2]), methods=PAPERS[:2]))
    assert claim(found, "Table 4: the order of the systems by SSIM (%) on paintings").verdict == UNKNOWN
    assert claim(found, "Table 4: all four systems have a good SSIM").verdict == UNKNOWN


def painted(color):
    """Predictions of one color, Lab units, for every run and list."""
    ab = np.broadcast_to(np.float32(color) / 128, (2, 4, 4, 2))
    return lambda run: dict.fromkeys(TEST_LISTS, ab)


MEASURED = {"lists": {t: {"truth": TRUTH} for t in TEST_LISTS}}


@pytest.mark.parametrize(
    ("color", "paintings_like_originals", "others_brown"), [((8, 20), NO, EMPTY), ((0, -20), YES, NO)]
)
def test_brown_is_told_from_blue(world, color, paintings_like_originals, others_brown):
    found = claims.judge(world(measured=MEASURED, predictions=painted(color)))
    assert claim(found, "Trained on paintings, paintings get better colors").verdict == paintings_like_originals
    assert claim(found, "Trained on paintings, other pictures are mostly brown").verdict == others_brown
    assert claim(found, "Trained on coco, pictures are brownish").verdict == others_brown


def test_brown_that_one_color_everywhere_has_too_proves_nothing(world):
    known = world(measured=MEASURED, predictions=painted((8, 20)))
    known.mean_colors = {"paintings": (0.06, 0.15), "coco": (0.0, -0.15)}
    found = claims.judge(known)
    assert claim(found, "Trained on paintings, other pictures are mostly brown").verdict == EMPTY
    assert claim(found, "Trained on coco, pictures are brownish").verdict == YES
    assert claim(found, "Trained on paintings, paintings get better colors").verdict == NO


def test_pale_colors_are_not_like_the_originals(world):
    known = world(measured=MEASURED, predictions=painted((0, -20)))
    known.scores["colourfulness"] = 0.3  # the truth has 0.5
    assert claim(claims.judge(known), "Trained on paintings, paintings get better").verdict == NO


def test_brown_pictures_whose_truth_is_browner_are_not_called_brown():
    assert claims.is_brown({"brown": 0.8}, {"brown": 0.7})
    assert not claims.is_brown({"brown": 0.8}, {"brown": 0.85})
    assert not claims.is_brown({"brown": 0.7}, {"brown": 0.1})


def test_without_the_truth_s_colors_brown_cannot_be_tested(world):
    found = claims.judge(world(predictions=painted((8, 20))))
    assert claim(found, "Trained on coco, pictures are brownish").verdict == UNKNOWN


def test_what_a_class_vector_is_worth_comes_from_the_ablation(tmp_path):
    base = canned_run(tmp_path / "efficientnet-coco-cpu", trained_on="coco", epochs=5, ending="cut")
    none = canned_run(tmp_path / "efficientnet-coco-cpu-none", trained_on="coco")
    rows = canned_scores(run_key(base), "coco", [20, 22, 25], [0.8, 0.9, 0.7])
    rows += canned_scores(run_key(none), "coco", [19, 21, 24], [0.8, 0.9, 0.7])
    known = evidence.Evidence([base, none], pd.DataFrame(rows, columns=list(COLUMNS)), {}, lambda run: {})
    found = claim(claims.judge(known), "What the classifier sees helps")
    assert "-1.00 [-1.00, -1.00] *" in found.ours
    assert "`efficientnet-coco-cpu-none`, epochs: 3 of 3; `efficientnet-coco-cpu`, epochs: 3 of 5, cut" in found.ours


def test_the_paper_s_psnr_beside_no_color_at_all(world):
    known = world({("all_grey", NONE, t): 9 for t in TEST_LISTS})
    text = plausibility.numbers(known)
    values = [p for psnr, _ in published.TABLE3.values() for p in psnr]
    assert f"{sum(v < 9 for v in values)} of its 16 values are below the lowest of these means" in text
    assert f"{sum(v < 8 for v in values)} below the minimum over all pictures" in text
