"""Chooses an encoder, and turns colored frames into packets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer.errors import FilmError, UsageError
from colorizer.film import join
from colorizer.film.probe import STEADY, Film, require_av

if TYPE_CHECKING:
    import av

CRF = 18
FORMAT, DEEP = "yuv420p", "yuv420p10le"  # of the pixels, with 8 and with 10 bits
H264 = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf")  # encoders of H.264, the best first
NAMES = {"h264": H264, "hevc": ("libx265",), "vp9": ("libvpx-vp9",), "av1": ("libsvtav1", "libaom-av1")}
# What a container takes where it does not take H.264, and where no encoder of H.264 is installed.
OTHERS = ("libvpx-vp9", "mpeg4", "wmv2")
# Codecs that a container takes besides those that FFmpeg lists for it: for MPEG's it lists only their own defaults.
MPEG_PS = frozenset(("mpeg2video", "mpeg1video", "mp2", "mp3", "ac3", "dts"))
MORE = {
    "mpeg": MPEG_PS,
    "svcd": MPEG_PS,  # of .vob
    "mpegts": frozenset(
        ("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vc1", "aac", "aac_latm", "mp2", "mp3", "ac3", "eac3")
        + ("dts", "truehd", "opus", "s302m", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle")
    ),
}
ORDERED = (*STEADY, "asf")  # containers that store when a frame is decoded, not when it is shown
WITH_CRF = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "libaom-av1")
THREADS = 4  # of libx264: their number changes its result and its memory
BITS_PER_PIXEL = 0.2  # for encoders without a CRF: about the size of CRF 18
GLOBAL_HEADER = 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER
HD = 720  # rows: the matrix of BT.709 from here on, where a film does not say
BT709, BT601 = 1, 6  # ITU-T H.273
LIMITED = 1  # color range, AVCOL_RANGE_MPEG
COARSE = 65535  # the finest unit of time that MPEG-4 part 2 takes


@dataclass(frozen=True)
class Encoding:
    """How a film's picture is encoded.

    Attributes:
        codec: an encoder of FFmpeg.
        crf: constant rate factor; None for encoders without one, which get a bit rate.
        global_header: whether the container wants the encoder's header once.
        note: a line for the user where it is not what was asked for; else "".
        bits: of a channel, 8 or 10.
        container: its name in FFmpeg.
    """

    codec: str
    crf: int | None
    global_header: bool = True
    note: str = ""
    bits: int = 8
    container: str = "matroska"


@dataclass(frozen=True)
class Packet:
    """An encoded frame, in the order of decoding; times in units of the film's time base."""

    data: bytes
    time: int
    duration: int
    is_key: bool


def choose(output: str | Path, codec: str = "h264", crf: int = CRF, bits: int = 8) -> Encoding:
    """Chooses the encoder for a container.

    Args:
        output: the ending of its name says the container.
        codec: "h264", "hevc", "vp9", "av1", or an encoder's name in FFmpeg.
        crf: constant rate factor.
        bits: of the film; more than 8 are written as 10, where the encoder can.

    Raises:
        UsageError: no such container or encoder, or the one does not take the other.
    """
    av = require_av()
    ending, (takes, flags, container) = Path(output).suffix, _container(av, output)
    wanted = NAMES.get(codec, (codec,))
    usable = [name for name in wanted if _encodes(av, name)]
    fits = [name for name in usable if _family(av, name) in takes]
    note = ""
    if not fits and codec == "h264":
        fits = [name for name in OTHERS if _encodes(av, name) and _family(av, name) in takes]
        reason = f"{ending} does not take H.264" if usable else "this PyAV has no encoder of H.264"
        note = f"{reason}: encoded with {fits[0]}" if fits else ""
    if not usable and not fits:
        raise UsageError(f"--codec is one of {', '.join(NAMES)}, or a video encoder of this PyAV. Received: {codec}")
    if not fits:
        raise UsageError(
            f"a file that ends in {ending} takes no {codec}. Choose another --codec, or an -o that ends in .mkv or "
            f".mp4. Received: {output}"
        )
    name = fits[0]
    if container in STEADY:
        note = "; ".join(filter(None, [note, f"{ending} has no time stamps: frames come at a constant rate"]))
    written = 10 if bits > 8 and _takes_deep(av, name) else 8
    fewer = f"{bits} bits a channel are written as {written}" if bits > written else ""
    note = "; ".join(filter(None, [note, fewer]))
    return Encoding(name, crf if name in WITH_CRF else None, "GLOBALHEADER" in flags, note, written, container)


def _takes_deep(av, name: str) -> bool:
    return DEEP in [one.name for one in av.codec.Codec(name, "w").video_formats or ()]


def codecs_of(container: av.container.OutputContainer) -> set[str]:
    """The codecs that a container takes."""
    return set(container.supported_codecs) | MORE.get(container.format.name, frozenset())


def _container(av, output: str | Path) -> tuple[set[str], str, str]:
    """The codecs that a container takes, its flags, and its name."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            with av.open(str(Path(folder, f"x{Path(output).suffix}")), "w") as container:
                flags = "GLOBALHEADER" if container.format.flags & 0x40 else ""
                return codecs_of(container), flags, container.format.name
        except (ValueError, av.error.FFmpegError) as error:
            raise UsageError(f"-o ends in .mp4, .mkv, .mov or another film's ending. Received: {output}") from error


def _encodes(av, name: str) -> bool:
    try:
        return av.codec.Codec(name, "w").type == "video"
    except (av.error.FFmpegError, ValueError):
        return False


def _family(av, name: str) -> str:
    return av.codec.Codec(name, "w").canonical_name


def color_tags(film: Film) -> dict[str, int]:
    """The tags of the result: the film's own matrix and curve where colors can be told in them; sRGB's primaries."""
    matrix = film.matrix if film.matrix in join.LUMA_WEIGHTS else (BT709 if film.height >= HD else BT601)
    transfer = film.transfer if film.transfer in (1, 4, 5, 6, 13) else BT709
    return {"colorspace": matrix, "color_primaries": BT709, "color_trc": transfer, "color_range": LIMITED}


def set_up(context: av.VideoCodecContext, film: Film, encoding: Encoding) -> None:
    """Gives a codec context a film's size, times, tags and quality; two contexts set up alike make the same header."""
    context.width, context.height = film.width + film.width % 2, film.height + film.height % 2
    context.pix_fmt = DEEP if encoding.bits == 10 else FORMAT
    context.time_base = unit_of(film, encoding)
    context.framerate = film.rate
    context.sample_aspect_ratio = film.aspect
    for name, number in color_tags(film).items():
        setattr(context, name, number)
    if encoding.container in ORDERED:
        context.max_b_frames = 0
    if encoding.crf is not None:
        context.options = {"crf": str(encoding.crf)}
        if encoding.codec == "libx264":
            # Else x264's look ahead (mbtree) gives other bits in each run. Threads by slices make larger files.
            context.options |= {"x264-params": "cpu-independent=1"}
            context.thread_type, context.thread_count = "FRAME", THREADS
        elif encoding.codec == "libvpx-vp9":
            context.bit_rate = 0  # else the CRF is only a bound
            context.options |= {"row-mt": "1", "cpu-used": "4"}
        elif encoding.codec == "libx265":
            context.options |= {"x265-params": "log-level=none"}  # else twenty lines for each shot
    else:
        context.bit_rate = int(BITS_PER_PIXEL * context.width * context.height * float(film.rate))
    if encoding.global_header:
        context.flags |= GLOBAL_HEADER


def unit_of(film: Film, encoding: Encoding) -> Fraction:
    """The unit of time stamps of the result, in seconds: the film's own where encoder and container take it."""
    if encoding.container in STEADY:
        return 1 / film.rate
    if encoding.codec in ("mpeg1video", "mpeg2video"):  # they know a few rates, and no other unit
        return 1 / film.rate
    if encoding.codec in ("mpeg4", "wmv2") and film.time_base.denominator > COARSE:
        return 1 / film.rate
    return film.time_base


class Encoder:
    """Encodes one part of a film.

    Args:
        film: the film.
        encoding: from `choose`.

    Raises:
        FilmError: the encoder does not take the film's size, rate or pixels, or lacks its device.
    """

    def __init__(self, film: Film, encoding: Encoding):
        av = require_av()
        self._av, self._unit = av, unit_of(film, encoding)
        self._scale = film.time_base / self._unit
        self._context = av.CodecContext.create(encoding.codec, "w")
        set_up(self._context, film, encoding)
        try:
            self._context.open(strict=False)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            size = f"{film.width}x{film.height}, {float(film.rate):.5g} frames/s"
            raise FilmError(
                film.path,
                f"the encoder {encoding.codec} does not take it on this computer: choose another --codec, such as h264"
                f". Received: {size}",
            ) from error
        self._tags = color_tags(film)
        self._durations: dict[int, int] = {}
        self._last: int | None = None

    def add(self, planes: join.Planes, time: int, duration: int) -> list[Packet]:
        """Encodes a frame; returns the packets that are ready."""
        rows = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, planes.y.shape[1])
        frame = self._av.VideoFrame.from_ndarray(rows, format=self._context.pix_fmt)
        frame.pts, frame.time_base = round(time * self._scale), self._unit
        if self._last is not None and frame.pts <= self._last:  # two frames in one tick of a coarser unit
            frame.pts = self._last + 1
        self._last = frame.pts
        for name, number in self._tags.items():
            setattr(frame, name, number)
        self._durations[frame.pts] = max(1, round(duration * self._scale))
        return self._packets(frame)

    def finish(self) -> list[Packet]:
        """Returns the packets that are left."""
        return self._packets(None)

    def _packets(self, frame) -> list[Packet]:
        return [
            Packet(bytes(packet), packet.pts, self._durations.pop(packet.pts, 1), packet.is_keyframe)
            for packet in self._context.encode(frame)
        ]
