"""Counters and times for Prometheus. Nothing about a photo or a client is in them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)  # bounds of the histogram
PREFIX = "colorizer"


class Monitor:
    """The numbers of one server.

    Args:
        inside: gives the number of requests that wait or are worked on.
        held: gives the bytes of bodies and photos that are held.
    """

    def __init__(self, inside: Callable[[], float], held: Callable[[], float]):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files
        self._answers = self._metric(Counter, "answers", "Answers to /v1/colorize.", ["status"])
        self._pixels = self._metric(Counter, "pixels", "Pixels of colorized photos.")
        self._seconds = self._metric(
            Histogram, "seconds", "From a request's first line to its answer.", buckets=SECONDS
        )
        self._metric(Gauge, "requests_inside", "Requests that wait or are worked on.").set_function(inside)
        self._metric(Gauge, "held_bytes", "Bytes of bodies and photos in memory.").set_function(held)

    def _metric(self, kind: type, name: str, text: str, labels: tuple[str, ...] | list[str] = (), **more):
        return kind(f"{PREFIX}_{name}", text, labels, registry=self.registry, **more)

    def count(self, status: int, seconds: float, pixels: int = 0) -> None:
        """Counts an answer.

        Args:
            status: of HTTP.
            seconds: that it took; counted where a photo was colorized.
            pixels: of the colorized photo; 0 for none.
        """
        self._answers.labels(str(status)).inc()
        if pixels:
            self._seconds.observe(seconds)
            self._pixels.inc(pixels)

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)
