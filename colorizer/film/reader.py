"""Reads the frames of a film one by one: gray levels and a time stamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorizer.film.probe import Film, opened, require_av

if TYPE_CHECKING:
    import av

SHORTER = 1.0, 0.02  # seconds, and share of its length, that a film may be shorter than stated before it counts as cut


class Frame(NamedTuple):
    """One frame.

    Attributes:
        gray: (H, W) uint8, full range: the frame's luma.
        time: its time stamp, in units of the film's time base.
        duration: in the same unit.
    """

    gray: np.ndarray
    time: int
    duration: int


class Reader:
    """The frames of a film.

    Attributes:
        damaged: how many places could not be decoded.
        end: seconds from the start that the last frame ends at.
    """

    def __init__(self, film: Film, deinterlace: bool = False):
        self.film, self.deinterlace = film, deinterlace
        self.damaged, self.end = 0, 0.0
        self._step = max(1, round(1 / (film.rate * film.time_base)))

    @property
    def missing(self) -> float:
        """Seconds that the film should go on for after its last frame; 0 where it ends as stated."""
        stated = self.film.seconds or 0.0
        gone = stated - self.end
        return gone if gone > max(SHORTER[0], SHORTER[1] * stated) else 0.0

    def frames(self, after: int | None = None, until: float | None = None) -> Iterator[Frame]:
        """The frames in order; time stamps rise.

        Args:
            after: a time stamp; only later frames come.
            until: seconds from the start; only earlier frames come.

        Raises:
            FilmError: the file cannot be opened.
        """
        film, last = self.film, None
        end = None if until is None else film.start + until
        for frame in self._decoded(after):
            time = self._time_of(frame, last)
            if last is not None and time <= last:
                continue  # a frame that was shown already
            last = time
            seconds = float(time * film.time_base)
            if end is not None and seconds >= end:
                return
            duration = self._duration_of(frame)
            self.end = seconds + float(duration * film.time_base) - film.start
            if after is not None and time <= after:
                continue
            gray = frame.to_ndarray(format="gray")
            if gray.shape != (film.height, film.width):  # a film may change its size
                gray = frame.to_ndarray(format="gray", width=film.width, height=film.height)
            yield Frame(gray, time, duration)

    def _time_of(self, frame: av.VideoFrame, last: int | None) -> int:
        """A frame's time stamp; where it has none, the one after the last."""
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None:
            return round(self.film.start / self.film.time_base) if last is None else last + self._step
        return round(stamp * frame.time_base / self.film.time_base)  # the deinterlacer has a unit of its own

    def _duration_of(self, frame: av.VideoFrame) -> int:
        duration = frame.duration and round(frame.duration * frame.time_base / self.film.time_base)
        return duration or self._step

    def _decoded(self, after: int | None) -> Iterator[av.VideoFrame]:
        av = require_av()
        with opened(self.film.path) as container:
            stream = container.streams[self.film.stream]
            stream.thread_type = "AUTO"
            if after is not None:
                _seek(av, container, stream, after)
            graph = _deinterlacer(av, stream) if self.deinterlace else None
            for frame in self._frames_of(av, container, stream):
                if graph is None:
                    yield frame
                    continue
                graph.push(frame)
                yield from _pulled(av, graph)
            if graph is not None:
                graph.push(None)
                yield from _pulled(av, graph)

    def _frames_of(self, av, container, stream) -> Iterator[av.VideoFrame]:
        """All frames that can be decoded; what cannot is counted."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the container itself is damaged here: nothing after it can be found
                self.damaged += 1
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            yield from frames


def _seek(av, container, stream, after: int) -> None:
    """Goes back to where decoding can begin for what comes after a time stamp; else stays at the film's begin."""
    try:
        container.seek(after, stream=stream, backward=True)
        for packet in container.demux(stream):
            if packet.pts is not None or packet.dts is not None:
                found = packet.pts if packet.pts is not None else packet.dts
                container.seek(after if found <= after else 0, stream=stream, backward=True)
                return
    except av.error.FFmpegError:
        container.seek(0, backward=True)


def _deinterlacer(av, stream):
    """FFmpeg's yadif: one frame for two fields."""
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream), graph.add("yadif", "mode=send_frame:deint=all"), graph.add("buffersink")
    ).configure()
    return graph


def _pulled(av, graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
