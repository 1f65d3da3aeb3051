"""Where each pixel of a frame lies in another frame, and how far that can be trusted.

A flow from one frame to another is (h, w, 2) float32, in pixels: what lies at x in the one lies at x + flow(x) in the
other. Dense Inverse Search finds it (Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search,
ECCV 2016), in OpenCV's implementation.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

TOLERANCE = 0.7  # pixels between there and back; full trust up to it, none at twice as much
PER_PIXEL = 0.05  # more tolerance for each pixel of movement
UNLIKE = 8.0  # gray levels between a pixel and where it comes from, likewise; film grain stays below it
SOFTER = 1.0  # pixels: blur of the frames that are searched, against grain
WINDOW = 9  # pixels: side of the windows in which movements are compared
NOISE = 0.5  # of the usual difference along the flow: a simpler movement may fit worse by so much
COMMON = 0.25, 0.02  # pixels of the picture's common movement, and share of the picture that moves, at least
# Pixels that a way back of one pixel less or more shrinks by: behind a thing that moves several pixels lead to one.
SHRINKS = 0.3, 0.6
BEHIND = 15  # pixels: side of the window around them that counts as behind the thing


class Ways(NamedTuple):
    """The flow between two frames.

    Attributes:
        there: (h, w, 2), from the one to the other.
        back: (h, w, 2), from the other to the one.
        trust_there: (h, w) float32, 0..1, how far `there` can be trusted; 0 for what leaves the frame.
        trust_back: (h, w) float32, likewise.
    """

    there: np.ndarray
    back: np.ndarray
    trust_there: np.ndarray
    trust_back: np.ndarray


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

    def both_ways(self, one: np.ndarray, other: np.ndarray) -> Ways:
        """Finds the flow from one frame to another, and the flow back.

        In a plain area the search makes movements out of grain. So a simpler movement is taken where it fits as well
        but for the noise: none, or the one that most of what moves has, as in a pan.

        Args:
            one: (h, w) uint8.
            other: (h, w) uint8.
        """
        if min(one.shape) < 16:  # smaller than the patches of the search
            none = np.zeros_like(self.grid)
            return Ways(none, none, alike(one, other), alike(other, one))
        soft, far = (cv2.GaussianBlur(frame, (0, 0), SOFTER) for frame in (one, other))
        there, back = self._search.calc(soft, far, None), self._search.calc(far, soft, None)
        # Of the flow as it was searched: one that is made simpler on one end only would seem to lead astray.
        ahead, home = self._round_trip(there, back), self._round_trip(back, there)
        self._simplify(there, soft, far)
        self._simplify(back, far, soft)
        return Ways(there, back, self._trust(there, ahead, one, other), self._trust(back, home, other, one))

    def _simplify(self, flow: np.ndarray, here: np.ndarray, far: np.ndarray) -> None:
        """Replaces movements that explain nothing but noise, in place."""
        moved = self._apart(flow, here, far)
        still = cv2.absdiff(here, far).astype(np.float32)
        stays = _fits(still, moved)
        moves = ~stays
        least, share = COMMON
        common = np.median(flow[moves], axis=0).astype(np.float32) if moves.mean() > share else np.zeros(2, np.float32)
        flow[stays] = 0
        if np.hypot(*common) > least:
            together = self._apart(common, here, far)
            either = stays & _fits(together, moved)
            if together[either].sum() < still[either].sum():  # the ground moves, not only a thing before it
                flow[either] = common

    def _apart(self, flow: np.ndarray, here: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Difference of gray levels along a flow: (h, w) float32."""
        return cv2.absdiff(here, self.sampled(far, self.grid + flow)).astype(np.float32)

    def _round_trip(self, there: np.ndarray, back: np.ndarray) -> np.ndarray:
        """How far from home the way there and back ends, in pixels."""
        return np.linalg.norm(there + self.sampled(back, self.grid + there), axis=-1)

    def sampled(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Reads values at places, bilinearly; outside of the frame those of its edge.

        Args:
            values: (h, w) or (h, w, c).
            places: (h, w, 2) float32, x and y.
        """
        return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _trust(self, flow: np.ndarray, round_trip: np.ndarray, here: np.ndarray, far: np.ndarray) -> np.ndarray:
        """How far a flow can be trusted: both ends look alike, and the way back leads home, or nothing has moved."""
        places = self.grid + flow
        length = np.linalg.norm(flow, axis=-1)
        agree = np.clip(2 - round_trip / (TOLERANCE + PER_PIXEL * length), 0, 1)
        agree[length == 0] = 1
        return agree * alike(here, self.sampled(far, places)) * self._inside(places)

    def _inside(self, places: np.ndarray) -> np.ndarray:
        height, width = places.shape[:2]
        x, y = places[..., 0], places[..., 1]
        return ((x > -1) & (x < width) & (y > -1) & (y < height)).astype(np.float32)


def _fits(apart: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Where a movement fits as well as the flow, but for the noise.

    A window over the border of a thing holds two movements. So a pixel may also lie at the side of a window that fits,
    if it fits by itself.

    Args:
        apart: (h, w) float32, differences along the movement.
        least: likewise along the flow.

    Returns:
        (h, w) bool.
    """
    noise = np.float32(NOISE * np.median(least))
    fits = cv2.blur(apart, (WINDOW, WINDOW)) <= cv2.blur(least, (WINDOW, WINDOW)) + noise
    near = cv2.dilate(fits.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8)) > 0
    return fits | (near & (cv2.blur(apart, (3, 3)) <= cv2.blur(least, (3, 3)) + noise))


def uncovered(back: np.ndarray) -> np.ndarray:
    """Finds what a thing that moves has just uncovered, and its close surroundings.

    There nothing was visible before. But the search takes the movement of the thing for it, and in a plain area
    luminance does not object.

    Args:
        back: (h, w, 2) float32, flow to the frame before.

    Returns:
        (h, w) float32, 1 where a place is uncovered, 0 where it was visible before.
    """
    smooth = cv2.blur(back, (3, 3))
    grows = cv2.Sobel(smooth[..., 0], cv2.CV_32F, 1, 0, scale=1 / 8) + cv2.Sobel(
        smooth[..., 1], cv2.CV_32F, 0, 1, scale=1 / 8
    )
    least, full = SHRINKS
    shrinks = np.clip((-grows - np.float32(least)) / np.float32(full - least), 0, 1)
    return cv2.dilate(shrinks, np.ones((BEHIND, BEHIND), np.uint8))


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
