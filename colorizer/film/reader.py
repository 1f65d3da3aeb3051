"""Reads the frames of a film one by one: gray levels and a time stamp."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorizer.film.probe import HDR, STEADY, Film, opened, require_av

if TYPE_CHECKING:
    import av

GUESSED = ("mpeg", *STEADY)  # containers whose time stamps are guessed, and others after a seek
JOINED = ("mpeg", "mpegts", "matroska,webm", "nut")  # containers whose files may stand one after the other in a file
FALL = 1  # seconds that time stamps fall back by where another piece of a joined film begins
BEHIND = 30  # seconds that packets may lie before or behind those beside them in a file
SHORTER = 1.0, 0.02  # seconds, and share of its length, that a film may be shorter than stated before it counts as cut

LARGEST = 1023  # level of 10 bits
PEAK, WHITE = 1000.0, 203.0  # cd/m2: of HDR films, and of what becomes the white of SDR (ITU-R BT.2408)
HLG = 18  # ITU-T H.273


class Frame(NamedTuple):
    """One frame.

    Attributes:
        gray: (H, W) uint8, full range: the frame's luma.
        time: its time stamp, in units of the film's time base.
        duration: in the same unit.
        deep: (H, W) uint16, 0..1023, the same with 10 bits; None where they are not asked for.
    """

    gray: np.ndarray
    time: int
    duration: int
    deep: np.ndarray | None = None


class Reader:
    """The frames of a film.

    Attributes:
        damaged: how many places could not be decoded.
        end: seconds from the start that the last frame ends at.
    """

    def __init__(self, film: Film, deinterlace: bool = False, bits: int = 8):
        self.film, self.deinterlace, self.bits = film, deinterlace, bits
        self._curve = sdr_curve(film.transfer) if film.transfer in HDR else None
        self.damaged, self.end = 0, 0.0

    @property
    def missing(self) -> float:
        """Seconds that the film should go on for after its last frame; 0 where it ends as stated, or nothing is."""
        stated = self.film.seconds if self.film.seconds and self.film.states_own else 0.0
        gone = stated - self.end
        return gone if gone > max(SHORTER[0], SHORTER[1] * stated) else 0.0

    def frames(self, after: int | None = None, until: float | None = None) -> Iterator[Frame]:
        """The frames in order; time stamps rise, also over the joints of a joined film: see `shifts`.

        Args:
            after: a time stamp; only later frames come.
            until: seconds from the first picture; only earlier frames come.

        Raises:
            FilmError: the file cannot be opened.
        """
        film, first = self.film, None
        for time, frame in self.timed(after if until is None else None):  # the first picture says where `until` is
            first = time if first is None else first
            if until is not None and float((time - first) * film.time_base) >= until:
                return
            seconds = float(time * film.time_base)
            duration = self._duration_of(frame)
            self.end = seconds + float(duration * film.time_base) - film.start
            if after is not None and time <= after:
                continue
            gray, deep = self._levels(frame)
            yield Frame(gray, time, duration, deep)

    def timed(self, after: int | None = None) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decoded frames with their time stamps, which rise; where a frame has none, it gets the one after the last.

        Args:
            after: a time stamp; frames come from some place before it on.
        """
        film, last, shift = self.film, None, 0
        step, fall = step_of(film), round(FALL / film.time_base)
        for frame in self._decoded(after):
            stamp = self._stamp_of(frame)
            if stamp is None:
                time = round(film.start / film.time_base) if last is None else last + step
            else:
                if last is not None and stamp + shift < last - fall:
                    shift = last + step - stamp
                time = stamp + shift
            if last is None or time > last:  # else it was shown already
                last = time
                yield time, frame

    def _levels(self, frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray | None]:
        """A frame's luma with 8 bits, and with 10 where they are asked for; SDR in any case."""
        if self.bits == 8 and self._curve is None:
            return self._array(frame, "gray"), None
        deep = self._array(frame, "gray10le")
        if self._curve is not None:
            deep = self._curve[np.minimum(deep, LARGEST)]
        return np.rint(deep * np.float32(255 / LARGEST)).astype(np.uint8), deep if self.bits > 8 else None

    def _array(self, frame: av.VideoFrame, form: str) -> np.ndarray:
        gray = frame.to_ndarray(format=form)
        if gray.shape == (self.film.height, self.film.width):
            return gray
        return frame.to_ndarray(format=form, width=self.film.width, height=self.film.height)  # it changed its size

    def _stamp_of(self, frame: av.VideoFrame) -> int | None:
        stamp = frame.pts if frame.pts is not None else frame.dts
        # The deinterlacer has a unit of its own.
        return None if stamp is None else round(stamp * frame.time_base / self.film.time_base)

    def _duration_of(self, frame: av.VideoFrame) -> int:
        duration = frame.duration and round(frame.duration * frame.time_base / self.film.time_base)
        return duration or step_of(self.film)

    def _decoded(self, after: int | None) -> Iterator[av.VideoFrame]:
        """Frames, from some place before `after` on."""
        av = require_av()
        with opened(self.film.path) as container:
            stream = container.streams[self.film.stream]
            stream.thread_type = "AUTO"
            if after is None:
                frames = self._frames_of(av, container.demux(stream), container.format.name in STEADY)
            else:
                frames = self._frames_before(av, container, stream, after)
            if frames is not None:
                yield from _deinterlaced(av, frames) if self.deinterlace else frames
                return
        yield from self._decoded(None)

    def _frames_before(self, av, container, stream, after: int) -> Iterator[av.VideoFrame] | None:
        """Frames from one on that is shown no later than a time stamp; None where there is no way to it.

        In MPEG's streams a seek may end between two key frames, or behind the time stamp. After a recovery point, which
        counts as a key frame, decoders give no frame until the picture is whole. Then the seek goes further back.
        """
        back = 0  # seconds
        if container.format.name in GUESSED or len(shifts(self.film)) > 1:
            return None
        while after * stream.time_base >= back:
            damaged = self.damaged
            try:
                container.seek(after - round(back / stream.time_base), stream=stream, backward=True)
            except av.error.FFmpegError:
                return None
            packets = itertools.dropwhile(lambda packet: not packet.is_keyframe, container.demux(stream))
            frames = self._frames_of(av, packets, steady=False)
            first = next(frames, None)
            stamp = first and self._stamp_of(first)
            if stamp is not None and stamp <= after:
                return itertools.chain([first], frames)
            self.damaged = damaged
            back = 2 * back + 1
        return None

    def _frames_of(self, av, packets: Iterator[av.Packet], steady: bool) -> Iterator[av.VideoFrame]:
        """All frames that can be decoded; what cannot is counted.

        Args:
            av: PyAV.
            packets: of the picture.
            steady: whether the container has no time stamps of frames. FFmpeg's guesses for them fall back.
        """
        first = delay = None  # the first packet's time stamp, and how much later decoders give its frame
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the container itself is damaged here: nothing after it can be found
                self.damaged += 1
                return
            if packet is None:
                return
            first = packet.dts if first is None else first
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                if steady and frame.dts is not None:
                    delay = frame.dts - first if delay is None else delay
                    frame.pts = frame.dts - delay
                elif steady:  # one of the last, which wait in the decoder
                    frame.pts = None
                yield frame


def step_of(film: Film) -> int:
    """From one frame to the next, in units of the film's time base."""
    return max(1, round(1 / (film.rate * film.time_base)))


def shifts(film: Film, until: float | None = None) -> tuple[int, ...]:
    """What time stamps need to rise in a film whose pieces were joined as they are, like `cat a.ts b.ts`.

    A piece begins where they fall back by more than `FALL`. All packets are read for that, none is decoded.

    Args:
        film: from `probe`.
        until: seconds from 0, as time stamps count; pieces that begin well behind it may be left out.

    Returns:
        For each piece what is added to its time stamps, in units of the film's time base; (0,) for one piece.

    Raises:
        FilmError: the file cannot be opened.
    """
    with contextlib.suppress(OSError):  # who opens it says why it cannot be read
        state = os.stat(film.path)
        return _shifts(film, until, state.st_size, state.st_mtime_ns)
    return (0,)


@functools.lru_cache(maxsize=8)  # on a cluster each shot asks
def _shifts(film: Film, until: float | None, *_: int) -> tuple[int, ...]:
    av = require_av()
    pieces: list[list[int]] = [[]]  # the first and the last time stamp of each
    with opened(film.path) as container, contextlib.suppress(av.error.FFmpegError):
        if container.format.name not in JOINED:
            return (0,)
        last, waiting = None, []  # Matroska does not know when the first packets are decoded
        for packet in container.demux(container.streams[film.stream]):
            waiting += [] if packet.pts is None else [packet.pts]
            if packet.dts is None:
                continue
            if falls_back(packet, last):
                pieces.append([])
            last, times = packet.dts, [*pieces[-1], *waiting]
            waiting, pieces[-1] = [], [min(times), max(times)] if times else []
            if until is not None:
                length = sum(end - begin for begin, end in filter(None, pieces)) * film.time_base
                if length > until - film.start + BEHIND:
                    break
    result = [0]
    for (_, end), (begin, _) in itertools.pairwise(filter(None, pieces)):
        result.append(end + result[-1] + step_of(film) - begin)
    return tuple(result)


def falls_back(packet: av.Packet, last: int | None) -> bool:
    """Whether another piece of a joined film begins with a packet of its picture.

    Args:
        packet: one that has a time stamp of decoding.
        last: that of the packet before it; None for the first.
    """
    return last is not None and (last - packet.dts) * packet.time_base > FALL


def _deinterlaced(av, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """FFmpeg's yadif: one frame for two fields. Where frames change their size or format, another graph begins."""
    for (width, height, form), alike in itertools.groupby(frames, lambda f: (f.width, f.height, f.format.name)):
        first, graph = next(alike), av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=width, height=height, format=form, time_base=first.time_base),
            graph.add("yadif", "mode=send_frame:deint=all"),
            graph.add("buffersink"),
        ).configure()
        for frame in itertools.chain([first], alike, [None]):
            graph.push(frame)
            yield from _pulled(av, graph)


def _pulled(av, graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def sdr_curve(transfer: int) -> np.ndarray:
    """Levels of SDR for the levels of HDR, which are luma.

    The display's light is compressed by the curve of ITU-R BT.2390 (EETF) from `PEAK` to `WHITE`; what is brighter than
    `PEAK` becomes white. SDR has a gamma of 2.4 (ITU-R BT.1886).

    Args:
        transfer: 16 is PQ, 18 is HLG.

    Returns:
        (1024,) uint16, 0..1023.
    """
    level = np.linspace(0, 1, LARGEST + 1)
    signal = _pq_of(_hlg_light(level)) if transfer == HLG else level
    top, most = _pq_of(np.array([PEAK, WHITE]))
    source, most = np.minimum(signal / top, 1), most / top
    knee = 1.5 * most - 0.5
    t = np.clip((source - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    light = _pq_light(np.where(source < knee, source, spline) * top)
    return np.rint(np.clip(light / WHITE, 0, 1) ** (1 / 2.4) * LARGEST).astype(np.uint16)


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # of PQ, ITU-R BT.2100
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # of HLG, likewise


def _pq_of(light: np.ndarray) -> np.ndarray:
    """PQ's signal 0..1 of cd/m2."""
    power = (np.maximum(light, 0) / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _pq_light(signal: np.ndarray) -> np.ndarray:
    """cd/m2 of PQ's signal 0..1."""
    root = signal ** (1 / _M2)
    return 10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    """cd/m2 of HLG's gray signal 0..1, on a display of `PEAK`, whose gamma is 1.2."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    return PEAK * scene**1.2
