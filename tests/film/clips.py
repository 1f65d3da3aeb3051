"""Tiny films, made on the spot, and a stand-in for a network."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_picture

av = pytest.importorskip("av", reason='PyAV is not installed: pip install -e ".[film]" -c constraints.txt')


class Painter:
    """Stands in for a `Colorizer`: one color for light pixels, another for dark ones; counts its pictures."""

    def __init__(self, light=(0.3, 0.1), dark=(-0.2, 0.25), stop_after=None, error=RuntimeError):
        self.light, self.dark, self.pictures = np.float32(light), np.float32(dark), 0
        self.stop_after, self.error = stop_after, error

    def __repr__(self):
        return "<Painter>"

    def predict_ab(self, rgbs):
        self.pictures += len(rgbs)
        if self.stop_after is not None and self.pictures > self.stop_after:
            raise self.error("stopped")
        small = [cv2.resize(rgb[..., 0], (32, 32), interpolation=cv2.INTER_AREA) for rgb in rgbs]
        return [np.where((gray > 128)[..., None], self.light, self.dark).astype(np.float32) for gray in small]


def moving(count: int, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Gray frames that pan over a picture."""
    wide = cv2.cvtColor(draw_picture(seed, height + 8, width + 2 * count), cv2.COLOR_RGB2GRAY)
    return [np.ascontiguousarray(wide[4 : 4 + height, 2 * n : 2 * n + width]) for n in range(count)]


def write(path: Path, frames, *, times=None, codec="libx264", pix_fmt="yuv420p", sound=False, **about) -> Path:
    """Writes a film of gray frames.

    Args:
        path: its file.
        frames: (H, W) uint8 each.
        times: time stamps in 1/1000 s; None for 25 frames a second.
        codec: an encoder.
        pix_fmt: of the picture.
        sound: whether a tone lies beside it.
        **about: `rotation`, `display` (a matrix), `aspect`, `metadata`, `chapters`, `subtitles`, `options`, `tags`,
            `unit` of time stamps.
    """
    height, width = frames[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=about.get("options", {"crf": "10"}))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        unit = about.get("unit", Fraction(1, 1000))
        stream.codec_context.time_base = stream.time_base = unit
        if "aspect" in about:
            stream.codec_context.sample_aspect_ratio = about["aspect"]
        if "rotation" in about:
            stream.set_display_rotation(about["rotation"])
        if "display" in about:
            stream.set_display_matrix(about["display"])
        for name, number in about.get("tags", {}).items():
            setattr(stream.codec_context, name, number)
        container.metadata.update(about.get("metadata", {}))
        tone = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        if tone:
            tone.metadata["language"] = "fra"
        words = container.add_mux_stream("subrip") if "subtitles" in about else None
        if "chapters" in about:
            container.set_chapters(about["chapters"])
        container.start_encoding()
        if words:
            for number, text in enumerate(about["subtitles"]):
                packet = av.Packet(text.encode())
                packet.stream, packet.time_base = words, Fraction(1, 1000)
                packet.pts = packet.dts = number * 200
                packet.duration = 150
                container.mux(packet)
        for number, gray in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(gray), format="gray").reformat(format=pix_fmt)
            frame.pts = times[number] if times else round(Fraction(number, 25) / unit)
            frame.time_base = unit
            for name, value in about.get("tags", {}).items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone:
            samples = (8000 * np.sin(np.arange(len(frames) * 320) / 5)).astype(np.int16)[None]
            sound_frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound_frame.sample_rate = 8000
            container.mux(tone.encode(sound_frame))
            container.mux(tone.encode(None))
    return path


def times_of(path: Path) -> list[float]:
    """Seconds of all frames, as shown."""
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(video=0)]


def pictures_of(path: Path) -> list[np.ndarray]:
    """RGB of all frames."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def packets_of(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """(seconds, bytes) of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        packets = [packet for packet in container.demux(stream) if packet.dts is not None]
        return [(round(float(packet.pts * packet.time_base), 3), bytes(packet)) for packet in packets]


def files_of(folder: Path) -> list[str]:
    """The names in a folder, in order."""
    return sorted(path.name for path in folder.iterdir())


def two_shots(path: Path) -> Path:
    """Writes two shots of 12 and 8 frames, with sound."""
    return write(path, moving(12) + moving(8, seed=3), sound=True)
