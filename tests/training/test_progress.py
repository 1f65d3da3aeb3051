"""What a training shows while it runs: a bar on a terminal, lines in a log file."""

import io
import sys
import time
from types import SimpleNamespace

from colorizer.training import callbacks


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Pictures:
    """As many as `Progress` asks of batches."""

    def __init__(self, count):
        self.rows, self.batch_size = range(count), 4


def test_a_bar_goes_on_while_validation_does(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    progress = callbacks.Progress(3, Pictures(10), Pictures(5))
    progress.set_model(SimpleNamespace(stop_training=False))
    progress.on_epoch_begin(1)
    for batch in range(3):
        progress.on_train_batch_end(batch)
    bar = progress._bar
    assert (bar.n, bar.total) == (10, 15)  # 67 %: validation is to come
    progress.on_test_begin()
    assert "validating" in bar.desc
    progress.on_test_batch_end(0)
    assert bar.n == 14
    progress.on_test_batch_end(1)
    progress.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.25})
    assert bar.n == 15 and "epoch 2/3" in sys.stderr.getvalue() and "val_loss=0.25000" in sys.stderr.getvalue()
    assert sys.stdout.getvalue() == ""  # the bar stays: no line beside it


def test_a_log_file_gets_lines_and_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(time, "perf_counter", iter([0.0, 65.0, 65.0, 130.0]).__next__)
    progress = callbacks.Progress(3, Pictures(10), Pictures(5))
    progress.set_model(SimpleNamespace(stop_training=False))
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    assert sys.stdout.getvalue() == "epoch 1/3, loss 0.50000, val_loss 0.25000, 0:01:05, about 0:02:10 left\n"
    progress.model.stop_training = True  # by --patience
    progress.on_epoch_begin(1)
    progress.on_epoch_end(1, {})
    assert sys.stdout.getvalue().endswith("epoch 2/3, 0:01:05\n")
    assert sys.stderr.getvalue() == ""
