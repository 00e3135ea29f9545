"""A distance as it falls over a run, and how soon a run gets how close.

Between two measurements everything is taken to be a straight line: the distance over images seen,
and the time over images seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One measurement; a mean or an interpolated one may have a fraction of an image."""

    images_seen: float
    elapsed_s: float
    """Seconds of training until then."""
    distance: float


@dataclass(frozen=True)
class Curve:
    """Measurements in the order of their images; at least one."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        images = [point.images_seen for point in self.points]
        assert images, "a curve without a point"
        assert images == sorted(set(images)), f"measurements out of order: {images}"

    @property
    def final(self) -> Point:
        """The last measurement."""
        return self.points[-1]

    @property
    def best(self) -> Point:
        """The first one with the smallest distance."""
        return min(self.points, key=lambda point: point.distance)

    def paces(self) -> list[tuple[float, float]]:
        """For every interval: seconds an image, and the images at its start."""
        return [
            (
                (after.elapsed_s - before.elapsed_s) / (after.images_seen - before.images_seen),
                before.images_seen,
            )
            for before, after in zip(self.points, self.points[1:], strict=False)
        ]

    def at(self, images_seen: float) -> Point:
        """The curve after so many images, which must lie on it."""
        first, last = self.points[0].images_seen, self.final.images_seen
        assert first <= images_seen <= last, f"{images_seen} is not between {first} and {last}"
        for before, after in zip(self.points, self.points[1:], strict=False):
            if images_seen == after.images_seen:
                return after  # as it was measured, without rounding
            if images_seen < after.images_seen:
                span = after.images_seen - before.images_seen
                return _between(before, after, (images_seen - before.images_seen) / span)
        return self.points[0]  # the only one

    def reach(self, distance: float) -> Point | None:
        """Where the curve first is at `distance` or closer; None if it never gets there."""
        if self.points[0].distance <= distance:
            return self.points[0]
        for before, after in zip(self.points, self.points[1:], strict=False):
            if after.distance <= distance:
                fall = before.distance - after.distance
                return _between(before, after, (before.distance - distance) / fall)
        return None


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of runs that differ in their seed: distance and time at equal images.

    It has a point wherever one of them was measured, as far as all of them go.
    """
    start = max(curve.points[0].images_seen for curve in curves)
    end = min(curve.final.images_seen for curve in curves)
    assert start <= end, "the curves have no images in common"
    measured = {point.images_seen for curve in curves for point in curve.points}
    points = []
    for images in sorted(measured):
        if start <= images <= end:
            here = [curve.at(images) for curve in curves]
            elapsed_s = sum(point.elapsed_s for point in here) / len(here)
            distance = sum(point.distance for point in here) / len(here)
            points.append(Point(images, elapsed_s, distance))
    return Curve(tuple(points))


def _between(before: Point, after: Point, share: float) -> Point:
    """The point at a share (0 to 1) of the way."""
    return Point(
        before.images_seen + share * (after.images_seen - before.images_seen),
        before.elapsed_s + share * (after.elapsed_s - before.elapsed_s),
        before.distance + share * (after.distance - before.distance),
    )
