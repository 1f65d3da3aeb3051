"""Checkpoints are read as numbers, and nothing else in them is run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from torch_files import write_checkpoint

from colorizer.classifiers.conversion import pytorch_checkpoint
from colorizer.errors import ClassifierError


def test_transposed_tensors_and_whole_numbers_are_read(fake_torch, tmp_path):
    arrays = {
        "a": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        "b": np.array([2**40], np.int64),
    }
    read = pytorch_checkpoint.read(write_checkpoint(tmp_path / "a.pth", arrays))
    assert list(read) == ["a", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


class Hostile:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numbers = [pickle.dumps(v, 2) for v in (pytorch_checkpoint.MAGIC, pytorch_checkpoint.PROTOCOL, {})]
    with pytest.raises(ClassifierError, match=r"mkdir, which a file of weights does not need"):
        pytorch_checkpoint.read(b"".join([*numbers, pickle.dumps(Hostile(), 2)]))
    assert not Path("made-by-a-pickle").exists()


def test_a_damaged_checkpoint_is_refused_wherever_it_ends(fake_torch, tmp_path):
    content = write_checkpoint(tmp_path / "a.pth", {"a": np.ones((3, 4), np.float32)})
    assert pytorch_checkpoint.read(content)
    for end in range(len(content)):
        with pytest.raises(ClassifierError, match="Received: .* bytes"):
            pytorch_checkpoint.read(content[:end])
    with pytest.raises(ClassifierError, match="PyTorch before 1.6"):
        pytorch_checkpoint.read(b"PK\x03\x04 a zip, as PyTorch writes since 1.6")


def test_a_tensor_outside_its_storage_is_refused():
    storage = np.zeros(12, np.float32)
    for offset, shape, strides in ((1, (3, 4), (4, 1)), (0, (3, 4), (5, 1)), (-1, (2,), (1,)), (0, (2,), (-1,))):
        tensor = pytorch_checkpoint._Tensor(pytorch_checkpoint._Storage("", storage.dtype, 12), offset, shape, strides)
        with pytest.raises(ValueError, match="a tensor"):
            pytorch_checkpoint._array(tensor, storage)
