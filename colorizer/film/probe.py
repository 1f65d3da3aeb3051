"""What a film is, from its first bytes and its first frame: size, rate, rotation, color tags, streams."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from colorizer.errors import FilmError, UsageError
from colorizer.inference import memory

if TYPE_CHECKING:
    import av

ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".ogv", ".3gp", ".mxf", ".dv", ".nut"),
)
# What FFmpeg may take a film for. Its playlists, whatever their ending, would open other files and addresses.
DEMUXERS = "mov,mp4,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,ogg,mxf,dv,nut,h264,hevc,m4v,vc1,ivf,av1,obu,gxf"
STEADY = ("avi",)  # containers without time stamps: they have a frame in each tick of the rate
HDR = {16: "PQ", 18: "HLG"}  # transfer curves of ITU-T H.273 whose luma is no gamma-encoded gray
UNLIKELY = 4  # an average rate this many times the guessed one is none; of interlaced films it may be twice that
# Bytes in memory for each pixel of a frame. libx264 alone takes 227 of them on noise at 1920x1080, 402 with 10 bits: it
# looks 40 frames ahead. The rest are the decoder's, and the frames that wait for a key.
HELD, HELD_DEEP = 250, 460


@dataclass(frozen=True)
class Film:
    """A film's facts.

    Attributes:
        path: of the file.
        width, height: of stored frames, in pixels.
        rate: frames a second, on average.
        time_base: the unit of time stamps, in seconds.
        seconds: from `start`, the length that the file states; None where it does not.
        states_own: whether `seconds` is the picture's own; else longer sound may count.
        start: seconds; the time stamp that the film begins with.
        flipped: whether a stored frame is mirrored, left for right; that is undone before it is turned.
        quarter_turns: to the left, that turn a stored frame upright.
        display: the display matrix of the file, nine integers; None where there is none.
        aspect: width of a stored pixel over its height.
        bits: of a channel.
        matrix, transfer: color tags, numbers of ITU-T H.273.
        interlaced: whether the first frames are.
        stream: index of the picture's stream.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    seconds: float | None
    states_own: bool
    start: float
    flipped: bool
    quarter_turns: int
    display: tuple[int, ...] | None
    aspect: Fraction
    bits: int
    matrix: int
    transfer: int
    interlaced: bool
    stream: int

    @property
    def frames(self) -> int:
        """About how many frames there are; 0 where the file does not say."""
        return round(self.seconds * self.rate) if self.seconds else 0

    def notes(self, deinterlaced: bool = False) -> list[str]:
        """Lines about what the result does not have, or has and should not.

        Args:
            deinterlaced: whether two fields become one frame in it.
        """
        lines = []
        if self.transfer in HDR:
            lines.append(f"HDR ({HDR[self.transfer]}) becomes SDR, by the curve of ITU-R BT.2390")
        if self.width % 2 or self.height % 2:
            size = f"{self.width + self.width % 2}x{self.height + self.height % 2}"
            lines.append(f"the odd size {self.width}x{self.height} becomes {size}: the last row or column is repeated")
        if self.interlaced and not deinterlaced:
            lines.append("interlaced: moving edges may show combs; --deinterlace removes them")
        return lines


def is_film_name(path: str | PurePath) -> bool:
    """Whether a name has a film's ending."""
    return PurePath(path).suffix.lower() in ENDINGS and not PurePath(path).name.startswith(".")


def require_av() -> Any:
    """Imports PyAV, and keeps FFmpeg's own lines off the terminal.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UsageError(
            "Films need PyAV, which is not installed. In a clone of this repository:\n"
            '    pip install -e ".[film]" -c constraints.txt'
        ) from error
    av.logging.set_level(None)
    os.environ.setdefault("SVT_LOG", "1")  # of the AV1 encoder, which has a log of its own: errors only
    return av


def address(path: str | Path) -> str:
    """A file's name for FFmpeg, which takes "12:30.mp4" for an address of the protocol "12"."""
    return os.path.abspath(path)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Opens a film for reading.

    Raises:
        FilmError: it cannot be opened.
    """
    av = require_av()
    try:
        container = av.open(address(path), metadata_errors="replace", container_options={"format_whitelist": DEMUXERS})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise FilmError(path, _reason(path, error)) from error
    with container:
        yield container


def probe(path: str | Path) -> Film:
    """Reads what a film is; decodes its first frame.

    Args:
        path: of any file.

    Raises:
        FilmError: no film, no picture in it, no frame, or too large for the memory that is free.
        UsageError: PyAV is not installed.
    """
    path = Path(path)
    with opened(path) as container:
        stream = picture_stream(container, path)
        frame = _first_frame(container, stream, path)
        display = _display_matrix(frame)
        context = stream.codec_context
        start = max(0, container.start_time or 0) / 1e6
        seconds, states_own = _seconds(container, stream, start)
        flipped, quarter_turns = _orientation(display)
        film = Film(
            path=path,
            width=frame.width,
            height=frame.height,
            rate=_rate(stream),
            time_base=stream.time_base,
            seconds=seconds,
            states_own=states_own,
            start=start,
            flipped=flipped,
            quarter_turns=quarter_turns,
            display=display,
            aspect=_aspect(stream.sample_aspect_ratio or context.sample_aspect_ratio),
            bits=max(component.bits for component in frame.format.components),
            matrix=int(frame.colorspace),
            transfer=int(frame.color_trc),
            interlaced=bool(frame.interlaced_frame),
            stream=stream.index,
        )
    if shortage := memory.shortage(film.width * film.height * (HELD_DEEP if film.bits > 8 else HELD)):
        raise FilmError(path, f"{film.width}x{film.height} pixels: {shortage}")
    return film


def picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream with the film's picture: the first that is no cover.

    Raises:
        FilmError: there is none.
    """
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise FilmError(path, "its picture has a codec that this PyAV cannot decode")
            stream.thread_type = "AUTO"
            return stream
    kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
    raise FilmError(path, f"no picture in it. Received: {kinds}")


def _first_frame(container, stream, path: Path) -> av.VideoFrame:
    import av

    reason = "no frame can be decoded (0 frames)"
    for packet in _packets(container, stream):
        try:
            for frame in packet.decode():
                return frame
        except av.error.FFmpegError as error:  # the next packet may be whole
            reason = f"no frame can be decoded: {error.strerror}"
    raise FilmError(path, reason)


def _packets(container, stream):
    """Packets until the file ends, or becomes unreadable."""
    import av

    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def _display_matrix(frame) -> tuple[int, ...] | None:
    import numpy as np

    data = frame.side_data.get("DISPLAYMATRIX")
    return tuple(np.frombuffer(bytes(data), np.int32)[:9].tolist()) if data is not None else None


def _orientation(display: tuple[int, ...] | None) -> tuple[bool, int]:
    """Whether a stored frame is mirrored, and the quarter turns to the left that then turn it upright."""
    if display is None:
        return False, 0
    a, b, _, c, d = display[:5]  # a player shows (x, y) at (a x + c y, b x + d y)
    flipped = a * d < b * c
    if flipped:
        a, b = -a, -b
    return flipped, round(math.atan2(-b, a) / (math.pi / 2)) % 4


def _rate(stream) -> Fraction:
    """Frames a second. FFmpeg states the ticks of a raw .dv as its average; then the guess is right."""
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and average > UNLIKELY * guessed:
        return guessed
    return average or guessed or Fraction(25)


def _seconds(container, stream, start: float) -> tuple[float | None, bool]:
    """The length of the picture by whichever place states it, and whether that place means the picture alone."""
    if stream.duration:
        return float(stream.duration * stream.time_base), True
    stated = {key.upper(): value for key, value in stream.metadata.items()}.get("DURATION", "")
    parts = stated.split(":")
    try:
        length, own = sum(float(part) * 60**power for power, part in enumerate(reversed(parts))), True
    except ValueError:
        length, own = (container.duration or 0) / 1e6, len(container.streams) == 1
    if "matroska" in container.format.name:  # it states the time stamp of the end
        length -= start
    return (length, own) if length > 0 else (None, False)


def _aspect(aspect: Fraction | None) -> Fraction:
    """An aspect that can be believed."""
    return aspect if aspect and Fraction(1, 8) < aspect < 8 else Fraction(1)


def _reason(path: str | Path, error: Exception) -> str:
    """One line for a file that cannot be opened."""
    if os.path.isdir(path):
        return "a folder, not a film"
    if os.path.isfile(path) and not os.path.getsize(path):
        return "empty file (0 bytes)"
    if isinstance(error, OSError) and not os.path.exists(path):
        return "no such file"
    return f"no film, or damaged: {getattr(error, 'strerror', None) or error}"
