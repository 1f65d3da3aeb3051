"""Every error a user may see. The commands catch `ColorizerError`, print its message and exit with its status.

A message says what is wrong, what was received, and what to do.
"""


class ColorizerError(Exception):
    """Something a user can mend. `str()` of it is the whole message.

    Attributes:
        exit_status: what a command ends with: 2 for wrong usage or input, 1 for work that failed.
    """

    exit_status = 2


class UsageError(ColorizerError):
    """Inputs, an output or flags that do not suit each other; the message says which."""


class ArgumentError(UsageError, ValueError):
    """A setting or an argument that is no valid value; the message says which. Callers may catch ValueError."""


class ReportError(ColorizerError):
    """The report of a batch cannot be written any more; the message says why and how to continue."""

    exit_status = 1


class DataError(ColorizerError):
    """A data set that cannot be used; the message says what was received and what to do."""


class DownloadError(DataError):
    """A data set that could not be fetched whole; the message says how to go on by hand."""


class StrategyError(DataError):
    """Devices, backend and settings do not go together; like a data set that does not suit, it ends with status 2."""


class LabelsError(ColorizerError):
    """An annotation file that cannot be used; the message says what was received and what to do."""


class ClassifierError(ColorizerError):
    """A classifier cannot be had or is not one; the message says what to do."""


class WeightsError(ColorizerError):
    """Weights cannot be found or do not fit; the message says what was received and what to do."""


class RecordError(ColorizerError):
    """A run's folder is not what was asked for; the message says what is there and what to do."""


class TrainingError(ColorizerError):
    """Training cannot go on; the message says why, what is kept and what to do."""

    exit_status = 1


class EvaluationError(ColorizerError):
    """Evaluation cannot begin; the message says what was received."""


class EngineError(ColorizerError):
    """An engine is not installed, or cannot compute these weights; the message says what to do."""


class ExportError(ColorizerError):
    """A network cannot be exported or opened; the message says what was received and what to do."""


class HintError(ColorizerError):
    """A hint, a file of hints or a reference that cannot be used; the message says what was received."""


class FileError(ColorizerError):
    """A file that cannot be read or written. `str()` of it is one line.

    Attributes:
        path: the file.
        reason: what is wrong with it, without the path.
    """

    def __init__(self, path, reason: str):
        super().__init__(str(path), " ".join(str(reason).split()))  # both in args: it survives pickling
        self.path, self.reason = self.args

    def __str__(self):
        return f"{self.path}: {self.reason}"


class PhotoError(FileError):
    """A file that cannot be read or written as a photograph."""


class FilmError(FileError):
    """A file that cannot be read or written as a film."""

    exit_status = 1


class WorkError(ColorizerError):
    """Nothing could be colorized; the message says for each file why."""


class LostRank(ConnectionError):
    """The ranks can no longer compute together, most likely because one of them is gone."""
