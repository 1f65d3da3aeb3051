"""Puts the encoded picture together with everything else of a film: audio, subtitles, chapters, metadata."""

from __future__ import annotations

import contextlib
import heapq
import math
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer import atomic_files
from colorizer.errors import FilmError
from colorizer.film import encoder
from colorizer.film.encoder import Encoding
from colorizer.film.parts import Parts
from colorizer.film.probe import Film, address, opened, require_av
from colorizer.film.reader import BEHIND, falls_back, shifts, step_of

if TYPE_CHECKING:
    import av

# Of the container or of the old picture, not of the film.
NOT_COPIED = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration")
STATISTICS = ("_statistics", "bps", "number_of_")
WITH_ATTACHMENTS = ("matroska",)  # containers that hold files: fonts of subtitles, a cover
WITH_COVERS = ("mp4", "ipod")  # containers that hold a cover among their tags
WITH_CHAPTERS = ("mp4", "mov", "ipod", "3gp", "matroska", "webm", "ogg", "nut", "asf")
WITH_ROTATION = ("mp4", "mov", "ipod", "3gp", "matroska", "webm")
# Containers that write a film's timecode anew from the tag of its picture: as a track, as a tag, in the header.
WITH_TIMECODE = ("mp4", "mov", "matroska", "mxf")
DISCARD_ALL = 48  # FFmpeg's AVDISCARD_ALL: a stream that its demuxer has read already
REORDERED = 16  # frames that H.264 and its like may decode before they are shown, at most


def write(film: Film, parts: Parts, output: Path, encoding: Encoding) -> list[str]:
    """Writes a film from its parts and from the other streams of the source, whole or not at all.

    Args:
        film: the source.
        parts: its colored picture, or the begin of it; other streams end with it.
        output: the file to write.
        encoding: that the parts were encoded with.

    Returns:
        A line for each stream that the container cannot hold, for each picture that gets no colors, and one where the
        film has joints.

    Raises:
        FilmError: the file cannot be written.
    """
    av = require_av()
    try:
        covers = _covers(film)
        options = _options(output, covers)
        with (
            opened(film.path) as source,
            atomic_files.replacing(output) as part,
            av.open(address(part), "w", options=options) as target,
        ):
            return _write(av, film, source, parts, target, encoding, covers)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise FilmError(output, f"cannot be written: {getattr(error, 'strerror', None) or error}") from error


def try_out(film: Film, output: Path, encoding: Encoding) -> None:
    """Writes a film's header into a folder of the moment: before `write`, which would fail after hours of work.

    Args:
        film: the source.
        output: the file that `write` will make.
        encoding: of its picture.

    Raises:
        FilmError: the container does not take the film's streams as they are.
    """
    av = require_av()
    try:
        covers = _covers(film)
        with tempfile.TemporaryDirectory() as folder, opened(film.path) as source:
            place = str(Path(folder, f"x{output.suffix}"))
            target = av.open(place, "w", options=_options(output, covers))
            try:
                _begin(film, source, target, encoding, covers)
            finally:
                with contextlib.suppress(av.error.FFmpegError):  # an empty film: nothing is made of it
                    target.close()
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FilmError(
            film.path, f"a file that ends in {output.suffix} does not take all of it: choose .mkv. Received: {reason}"
        ) from error


def _options(output: Path, covers: dict[int, bytes]) -> dict[str, str]:
    """Options of the container."""
    options = {"fflags": "+bitexact"}  # else Matroska's and Ogg's numbers of streams are drawn by lot
    if output.suffix.lower() in (".mp4", ".m4v", ".mov"):
        # A cover stands among iTunes' tags. Without one all tags are written, also those that iTunes does not have.
        options["movflags"] = "+faststart" if covers else "+faststart+use_metadata_tags"
    return options


def _covers(film: Film) -> dict[int, bytes]:
    """The pictures that are covers, by the index of their stream."""
    from av.stream import Disposition

    covers = {}
    with opened(film.path) as source:
        for stream in source.streams.video:
            if stream.index != film.stream and stream.disposition & Disposition.attached_pic:
                covers[stream.index] = next((bytes(packet) for packet in source.demux(stream) if packet.size), b"")
    return covers


def _begin(film: Film, source, target, encoding: Encoding, covers: dict[int, bytes], *, end: float | None = None):
    """Writes the container's header; returns the picture's stream, those that are copied, and lines about others.

    Chapters end at `end`, in the source's seconds.
    """
    picture = target.add_stream(encoding.codec, rate=film.rate)
    encoder.set_up(picture.codec_context, film, encoding)
    picture.time_base = encoder.unit_of(film, encoding)
    if film.display:
        picture.set_display_matrix(film.display)
    _copy_metadata(source.streams[film.stream], picture, STATISTICS)
    copies, notes = _copied_streams(film, source, target, covers)
    if (film.quarter_turns or film.flipped) and target.format.name not in WITH_ROTATION:
        wrong = "lies on its side" if film.quarter_turns else "is mirrored"
        notes.append(f"{target.format.name} has no rotation, so the film {wrong}: choose .mp4 or .mkv")
    target.metadata.update(_clean(source.metadata))
    if chapters := list(_shifted(source.chapters(), film.start, end)):
        target.set_chapters(chapters)
    target.start_encoding()
    return picture, copies, notes


def _shifted(chapters: list[dict], start: float, end: float | None) -> Iterator[dict]:
    """The chapters of a film that begins at 0, as its copy does, up to where that ends; None for all."""
    for chapter in chapters:
        offset, stop = round(start / chapter["time_base"]), chapter["end"]
        stop = stop if end is None else min(stop, round(end / chapter["time_base"]))
        if end is None or chapter["start"] < stop:
            yield chapter | {"start": max(0, chapter["start"] - offset), "end": max(0, stop - offset)}


def _write(av, film: Film, source, parts: Parts, target, encoding: Encoding, covers: dict[int, bytes]) -> list[str]:
    last = parts.endings[-1] if parts.endings else None
    until = end = None
    if last is not None and not last.whole:
        until, end = (float((last.time + ticks) * film.time_base) for ticks in (1, step_of(film)))
    picture, copies, notes = _begin(film, source, target, encoding, covers, end=end)
    if joints := len(shifts(film, until)) - 1:
        times = "once" if joints == 1 else f"{joints} times"
        notes.append(f"time stamps fall back {times}, as in joined films: the pieces follow one another")
    streams = [_picture_packets(av, picture, film, parts, encoder.unit_of(film, encoding))]
    for index in covers.keys() & copies.keys():
        cover = av.Packet(covers[index])
        cover.stream, cover.pts, cover.dts, cover.time_base = copies.pop(index), 0, 0, Fraction(1, 1000)
        target.mux(cover)
    if copies:
        streams.append(_other_packets(av, film, source, copies, until))
    for _, packet in heapq.merge(*streams, key=lambda pair: pair[0]):
        target.mux(packet)
    return notes


def _copied_streams(film: Film, source, target, covers: dict[int, bytes]) -> tuple[dict, list[str]]:
    """Streams of the target for those of the source, and a line for each that is not what one expects."""
    copies, notes, name = {}, [], target.format.name
    for stream in source.streams:
        if stream.index == film.stream:
            continue
        if stream.type == "attachment" and name in WITH_ATTACHMENTS:
            target.add_attachment(stream.name, stream.mimetype, stream.data)
            continue
        if stream.type == "attachment":
            notes.append(f"attachment ({stream.name}) does not fit into {name}: left out")
            continue
        if stream.index in covers and name in WITH_ATTACHMENTS:
            png = stream.codec_context is not None and stream.codec_context.name == "png"
            form = ("cover.png", "image/png") if png else ("cover.jpg", "image/jpeg")
            target.add_attachment(*form, covers[stream.index])
            continue
        if stream.index in covers and name not in WITH_COVERS:
            notes.append(f"cover picture does not fit into {name}: left out")
            continue
        if stream.type == "data" and stream.discard == DISCARD_ALL and source.chapters():  # the track of their names
            if name not in WITH_CHAPTERS:
                notes.append(f"chapters do not fit into {name}: left out")
            continue
        timecode = stream.metadata.get("timecode") if stream.type == "data" else None
        if timecode and name in WITH_TIMECODE and source.streams[film.stream].metadata.get("timecode") == timecode:
            continue
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else None
        if codec is None or codec not in encoder.codecs_of(target):
            notes.append(f"{stream.type} ({codec or 'unknown codec'}) does not fit into {name}: left out")
            continue
        copy = target.add_stream_from_template(stream)
        copy.disposition = stream.disposition
        _copy_metadata(stream, copy)
        copies[stream.index] = copy
        if stream.type == "video" and stream.index not in covers:
            notes.append(f"another picture ({codec}) is copied without color: only the first gets colors")
    return copies, notes


def _copy_metadata(stream, copy, besides: tuple[str, ...] = ()) -> None:
    copy.metadata.update(
        {key: value for key, value in _clean(stream.metadata).items() if not key.lower().startswith(besides)}
    )


def _clean(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower() not in NOT_COPIED}


def _picture_packets(av, picture, film: Film, parts: Parts, unit: Fraction) -> Iterator[tuple[float, av.Packet]]:
    """The picture's packets with the seconds at which they are decoded.

    Each part was encoded by itself. The packet that is decoded as number i gets the time stamp of the frame that is
    shown as number i minus the delay, so that these stamps rise over the borders of parts.
    """
    shown = parts.times()
    delay = _delay(parts, shown)
    step = int(np.median(np.diff(shown))) if len(shown) > 1 else 1
    ahead = shown[:1] - step * np.arange(delay, 0, -1)
    decoded = np.concatenate([ahead, shown]).tolist()
    start, last = round(film.start / unit), None
    for packet, decoding in zip(parts.packets(), decoded, strict=False):
        made = av.Packet(packet.data)
        made.stream, made.time_base = picture, unit
        made.pts, made.dts, made.duration = packet.time - start, decoding - start, packet.duration
        if unit != film.time_base:  # a coarser unit: two parts may meet in one tick; no frame is shown out of order
            made.dts = made.pts = made.pts if last is None else max(made.pts, last + 1)
            last = made.pts
        made.is_keyframe = packet.is_key
        yield float(made.dts * unit), made


def _delay(parts: Parts, shown: np.ndarray) -> int:
    """By how many frames decoding must run ahead of showing, so that no frame is shown before it is decoded."""
    ranks = np.searchsorted(shown, np.fromiter((packet.time for packet in parts.packets()), np.int64, len(shown)))
    return int(np.clip((np.arange(len(shown)) - ranks).max(initial=0), 0, REORDERED))


def _other_packets(av, film: Film, source, copies: dict, until: float | None) -> Iterator[tuple[float, av.Packet]]:
    """The packets of all other streams with their seconds, up to the picture's end; what lies behind is not read."""
    dense, past = {index for index in copies if source.streams[index].type in ("audio", "video")}, set()
    seconds = -1.0  # stamps fall back now and then; the merge needs them sorted
    ends: dict[int, int] = {}
    for packet in _shifted_packets(av, film, source, list(copies), until):
        offset = round(film.start / packet.time_base)
        time = float((packet.dts - offset) * packet.time_base)
        if until is not None and time + film.start >= until:
            if time + film.start >= until + BEHIND:
                past.add(packet.stream.index)
                if past >= dense:  # subtitles may have none for long
                    return
            continue
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts -= offset
        copy = copies[packet.stream.index]
        _let_rise(packet, copy, ends)
        packet.stream = copy
        seconds = max(seconds, time)
        yield seconds, packet


def _let_rise(packet: av.Packet, copy, ends: dict[int, int]) -> None:
    """Moves a packet behind the one before it: containers refuse stamps of decoding that fall.

    Args:
        packet: of any stream but the picture.
        copy: its stream in the target.
        ends: the last packet's stamp of decoding, by the index of its stream; takes this packet's.
    """
    last = ends.get(packet.stream.index)
    strict = packet.stream.type in ("audio", "video")
    if last is not None and (packet.dts < last or strict and packet.dts == last):
        packet.dts = last + max(1, math.ceil(copy.time_base / packet.time_base))
        packet.pts = None if packet.pts is None else max(packet.pts, packet.dts)
    ends[packet.stream.index] = packet.dts


def _shifted_packets(av, film: Film, source, indices: list[int], until: float | None) -> Iterator[av.Packet]:
    """The packets of streams; in a joined film they move with the picture.

    A piece's packets may lie a little before or behind the picture's joint in the file. So each goes with whichever
    piece brings it nearest to the picture that is decoded there.
    """
    moves = [shift * film.time_base for shift in shifts(film, until)]
    wanted = indices if len(moves) == 1 else [*indices, film.stream]
    piece, last, now = 0, None, film.start
    for packet in _stamped(_until_damage(av, source.demux([source.streams[index] for index in wanted]))):
        if packet.stream.index == film.stream:
            piece, last = min(piece + falls_back(packet, last), len(moves) - 1), packet.dts
            now = packet.dts * packet.time_base + moves[piece]
            continue
        near, time = moves[max(0, piece - 1) : piece + 2], packet.dts * packet.time_base
        move = round(min(near, key=lambda move: abs(time + move - now)) / packet.time_base)
        packet.dts += move
        packet.pts = None if packet.pts is None else packet.pts + move
        yield packet


def _until_damage(av, packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets up to the place from which on the file is damaged."""
    with contextlib.suppress(av.error.FFmpegError):
        yield from packets


def _stamped(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets with a time stamp of decoding.

    Matroska does not store it, and FFmpeg does not know it of a stream's first packets where frames are not decoded in
    the order in which they are shown. These get stamps that count back from the first that is known.
    """
    begun: set[int] = set()
    waiting: dict[int, list[av.Packet]] = {}
    for packet in packets:
        index = packet.stream.index
        if packet.dts is not None:
            yield from _counted_back(waiting.pop(index, []), packet.dts)
            begun.add(index)
            yield packet
        elif packet.size and index not in begun:
            waiting.setdefault(index, []).append(packet)
    for first in waiting.values():  # of streams that end before a stamp is known
        yield from _counted_back(first, min((packet.pts for packet in first if packet.pts is not None), default=0))


def _counted_back(packets: list[av.Packet], known: int) -> Iterator[av.Packet]:
    """Packets with stamps that rise up to the one after them."""
    step = max(1, min((packet.duration or 0 for packet in packets), default=0))
    for back, packet in zip(range(len(packets), 0, -1), packets, strict=True):
        packet.dts = known - back * step
        yield packet
