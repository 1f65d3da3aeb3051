"""Where each pixel of a frame lies in another frame, and how far that can be trusted.

A flow from one frame to another is (h, w, 2) float32, in pixels: what lies at x in the one lies at x + flow(x) in the
other. Dense Inverse Search finds it (Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search,
ECCV 2016), in OpenCV's implementation.
"""

from __future__ import annotations

import cv2
import numpy as np

TOLERANCE = 0.7  # pixels between there and back; full trust up to it, none at twice as much
PER_PIXEL = 0.05  # more tolerance for each pixel of movement
UNLIKE = 8.0  # gray levels between a pixel and where it comes from, likewise; film grain stays below it
STILL = 0.5  # pixels: a shorter movement is none if the pixel looks no worse without it
LONGER, SAME = 1.25, 0.5  # one that does not lead back home needs a fit that is better by so much, in gray levels


class Flow:
    """Optical flow between frames of one size.

    Args:
        height: of the frames.
        width: of the frames.
    """

    def __init__(self, height: int, width: int):
        self._search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self.grid = np.dstack([x, y])

    def both_ways(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds the flow from one frame to another, and the flow back; 0 where a pixel has not moved.

        In a plain area grain decides: there the ways do not agree, and none is the best guess.

        Args:
            one: (h, w) uint8.
            other: (h, w) uint8.
        """
        there, back = self._search_flow(one, other), self._search_flow(other, one)
        lost = [self._round_trip(there, back) > 2 * TOLERANCE, self._round_trip(back, there) > 2 * TOLERANCE]
        for flow, astray, here, far in ((there, lost[0], one, other), (back, lost[1], other, one)):
            if astray.any():
                still = cv2.blur(cv2.absdiff(here, far).astype(np.float32), (5, 5))
                moved = cv2.blur(cv2.absdiff(here, self.sampled(far, self.grid + flow)).astype(np.float32), (5, 5))
                flow[astray & (still <= LONGER * moved + SAME)] = 0
        return there, back

    def _round_trip(self, there: np.ndarray, back: np.ndarray) -> np.ndarray:
        """How far from home the way there and back ends, in pixels."""
        return np.linalg.norm(there + self.sampled(back, self.grid + there), axis=-1)

    def _search_flow(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(h, w, 2) float32."""
        if min(one.shape) < 16:  # smaller than the patches of the search
            return np.zeros((*one.shape, 2), np.float32)
        flow = self._search.calc(one, other, None)
        # Grain makes movements out of nothing, and over hundreds of frames they would carry colors away.
        still = cv2.blur(cv2.absdiff(one, other).astype(np.float32), (5, 5))
        moved = cv2.blur(cv2.absdiff(one, self.sampled(other, self.grid + flow)).astype(np.float32), (5, 5))
        short = np.square(flow).sum(axis=-1) < STILL**2
        flow[short & (still <= moved)] = 0
        return flow

    def sampled(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Reads values at places, bilinearly; outside of the frame those of its edge.

        Args:
            values: (h, w) or (h, w, c).
            places: (h, w, 2) float32, x and y.
        """
        return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def trust(self, there: np.ndarray, back: np.ndarray, here: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How far a flow can be trusted: the way back leads home, and both ends look alike.

        Args:
            there: flow from the frame `here` to the frame `other`.
            back: flow from `other` to `here`.
            here: (h, w) uint8.
            other: (h, w) uint8.

        Returns:
            (h, w) float32, 0..1; 0 for what lies outside of the other frame.
        """
        places = self.grid + there
        round_trip = self._round_trip(there, back)
        tolerance = TOLERANCE + PER_PIXEL * np.linalg.norm(there, axis=-1)
        agree = np.clip(2 - round_trip / tolerance, 0, 1)
        return agree * alike(here, self.sampled(other, places)) * self._inside(places)

    def _inside(self, places: np.ndarray) -> np.ndarray:
        height, width = places.shape[:2]
        x, y = places[..., 0], places[..., 1]
        return ((x > -1) & (x < width) & (y > -1) & (y < height)).astype(np.float32)


def alike(here: np.ndarray, there: np.ndarray, offset: float = 0.0) -> np.ndarray:
    """How far luminance fits, a little blurred against grain.

    Args:
        here: (h, w) uint8.
        there: (h, w) uint8.
        offset: in gray levels, that `here` is lighter on the whole, as in a fade.

    Returns:
        (h, w) float32, 0..1.
    """
    apart = here.astype(np.float32) - there - np.float32(offset)
    return np.clip(2 - np.abs(cv2.blur(apart, (3, 3))) / UNLIKE, 0, 1)
