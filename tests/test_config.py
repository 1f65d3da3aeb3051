"""Settings: the paper's defaults, a method's, what was typed; and the records of earlier versions."""

import json
from dataclasses import asdict, fields

import pytest
from conftest import REPOSITORY

from colorizer import config, experiments, methods
from colorizer.config import TrainConfig, resolve

RECORDS = sorted(REPOSITORY.glob("results/**/config.json")) + sorted(REPOSITORY.glob("colorizer/shipped/*/config.json"))


def test_what_was_typed_beats_the_method_which_beats_the_paper():
    gan = methods.declared("gan")
    assert TrainConfig().learning_rate == 1e-3
    assert resolve({"method": "gan"}, gan).learning_rate == gan.defaults["learning_rate"].value != 1e-3
    assert resolve({"method": "gan", "learning_rate": 0.5}, gan).learning_rate == 0.5


@pytest.mark.parametrize("name", methods.names())
def test_an_option_is_refused_by_every_method_that_does_not_have_it(name):
    method = methods.declared(name)
    other = {"initializer": "glorot_uniform", "schedule": "one_cycle", "weight_decay": 0.1, "encoder_rate": 0.7}
    other |= {"frozen_epochs": 3, "labels": "instances.json"}
    assert set(other) == {f.name for f in fields(TrainConfig) if f.metadata["group"] == config.METHOD}
    for option, value in other.items():
        given = {"method": name, option: value}
        if option in method.options or (option == "labels" and method.uses_labels):
            assert getattr(resolve(given, method), option) == value
            continue
        with pytest.raises(ValueError, match=f"{config.flag_of(option)} is not an option of the method {name}"):
            resolve(given, method)
        default = getattr(TrainConfig(), option)
        assert getattr(resolve(given | {option: default}, method), option) == default, "typing what is so is no error"


@pytest.mark.parametrize("name", methods.names())
def test_only_a_methods_own_losses_can_be_chosen(name):
    method = methods.declared(name)
    for loss in method.losses:
        assert resolve({"method": name, "loss": loss}, method).loss == loss
    with pytest.raises(ValueError, match=f"--loss of the method {name} .*Received: chroma"):
        resolve({"method": name, "loss": "chroma"}, method)


def test_every_field_has_a_help_text_and_says_what_no_value_means():
    for f in fields(TrainConfig):
        assert f.metadata["help"], f.name
        assert (f.default is None) == bool(f.metadata["none"]), f.name


def test_a_configuration_prints_what_is_not_the_default():
    assert repr(TrainConfig(epochs=3, run="runs/x")) == "TrainConfig(epochs=3, run='runs/x')"
    made = TrainConfig(epochs=3, dataset="paintings")
    assert eval(repr(made)) == made


@pytest.mark.parametrize("name", ["plateau_patience", "plateau_min_delta", "plateau_min_lr", "rotation_range"])
def test_a_setting_that_is_below_zero_is_refused(name):
    with pytest.raises(ValueError, match=f"{config.flag_of(name)} must be 0 or above. Received: -1"):
        TrainConfig(**{name: -1})
    TrainConfig(**{name: 0})


@pytest.mark.parametrize("value", [-0.2, 1.0, 3.0])
def test_a_zoom_that_leaves_no_picture_is_refused(value):
    with pytest.raises(ValueError, match="--zoom-range must be 0 or above and below 1"):
        TrainConfig(zoom_range=value)


# -- records


def test_there_are_records():
    assert len(RECORDS) > 12


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_a_committed_record_is_read_or_refused_by_name(path):
    """Whatever was trained with a setting that was removed is known to be so; all others could go on."""
    record = json.loads(path.read_text("utf-8"))
    method = methods.declared(record["method"])
    row = experiments.rows().get(path.parent.name)
    used_former = {name for name, without in config.FORMER.items() if record.get(name, without) != without}
    if used_former or record.get("loss", "mse") not in (*method.losses, "mse"):
        assert row.retired
        with pytest.raises(ValueError, match="which this version does not have|--loss of the method"):
            resolve(config.of_record(record), method)
        return
    assert not (row and row.retired) or record["loss"] == "mse"
    known = config.of_record(record)
    assert asdict(TrainConfig(**known)).items() >= known.items()


def test_a_run_with_a_removed_setting_cannot_be_continued():
    with pytest.raises(ValueError, match="--ema, which this version does not have. Received: 0.99"):
        config.of_record({"ema": 0.99})
    assert config.of_record({"ema": 0.0, "epochs": 3, "limit": None, "device": "CPU"}) == {"epochs": 3, "limit": None}
