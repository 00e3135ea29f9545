"""From what the pictures are to the settings that suit them, each with its reason."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from projgan.config.shapes import MAX_RATIO, RESOLUTIONS, STEP, Resolution
from projgan.workflows.doctor.looking import Look, is_plain
from projgan.workflows.doctor.unusual import Sides

CARRY_QUANTILE = 0.1
"""Share of the pictures that may be smaller than the resolution."""
PRESETS = {
    32: "few-shot-64",
    64: "few-shot-64",
    128: "few-shot-128",
    256: "few-shot-256",
    512: "few-shot-512",
    1024: "few-shot-1024",
}
LARGE_SET = 10_000
"""From here on mirror images are not needed."""

_SAME_SHAPE = 1.12
_RECTANGLE = 1.2
_MOST = 0.8
_LOSS = 0.15
_NEARLY_ALL = 0.95
_CLASS_LEAST = 50


@dataclass(frozen=True)
class Choice:
    """One setting.

    Attributes:
        value: for `options`; "" leaves the default.
        why: measured reasons, in words.
    """

    value: str
    why: str


def carried(sizes: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The largest square that nine of ten pictures fill, and the side that nine of ten have."""
    side = int(np.quantile(sizes.min(axis=1), CARRY_QUANTILE))
    return max((one for one in RESOLUTIONS if one <= side), default=RESOLUTIONS[0]), side


def common_ratio(sizes: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Median width / height, and the share of pictures within 12 % of it."""
    logs = np.log(sizes[:, 0] / sizes[:, 1])
    middle = float(np.median(logs))
    return math.exp(middle), float((np.abs(logs - middle) <= math.log(_SAME_SHAPE)).mean())


def shape_for(side: int, sizes: npt.NDArray[np.int64]) -> Resolution:
    """A rectangle of about `side` squared if nearly all pictures have one shape, else the square.

    Sides are multiples of 32, so at small sizes no rectangle may be nearer than the square.
    """
    ratio, share = common_ratio(sizes)
    if share < _MOST or max(ratio, 1 / ratio) < _RECTANGLE:
        return side
    wanted = min(max(ratio, 1 / MAX_RATIO), MAX_RATIO)
    steps = range(STEP, min(2 * side, RESOLUTIONS[-1]) + 1, STEP)
    pairs = [(w, h) for w in steps for h in steps if max(w, h) <= MAX_RATIO * min(w, h) and h != w]

    def off(pair: tuple[int, int]) -> float:
        width, height = pair
        area = abs(math.log(width * height / side**2))
        return abs(math.log(width / height / wanted)) + area / 2

    best = min([*pairs, (side, side)], key=off)
    return side if best[0] == best[1] else f"{best[0]}x{best[1]}"


def fit_for(look: Look, resolution: Resolution) -> tuple[Choice, str]:
    """Crop or pad, and the background that goes with it ("" for none)."""
    ratio, share = common_ratio(look.sizes)
    if not isinstance(resolution, int):
        return Choice("", f"crop: {share:.0%} have about the shape {ratio:.2f} : 1"), ""
    lost = 1 - look.sizes.min(axis=1) / look.sizes.max(axis=1)
    typical, most = float(np.median(lost)), float(np.quantile(lost, 0.9))
    cut = f"a square cuts off {typical:.0%} of a typical picture, {most:.0%} of every tenth"
    if typical <= _LOSS:
        return Choice("", f"crop: {cut}"), ""
    if float(look.is_transparent.mean()) > 1 / 2:
        return Choice("pad", f"pad: {cut}, and most are transparent around"), ""
    plain = is_plain(look.border)
    if float(plain.mean()) >= _MOST:
        colour = np.median(look.border[plain, 1:], axis=0).round().astype(int)
        name = "#" + "".join(f"{level:02x}" for level in colour)
        return Choice("pad", f"pad: {cut}, and {plain.mean():.0%} have a plain border"), name
    return Choice("", f"crop: {cut}; borders are not plain, so padding would show"), ""


def mode_for(look: Look) -> Choice:
    """Colours, grey or transparency."""
    transparent, grey = float(look.is_transparent.mean()), float(look.is_grey.mean())
    if transparent > 1 / 2:
        return Choice("rgba", f"rgba: {transparent:.0%} have transparent parts")
    rest = f"; {transparent:.0%} are transparent and will lie on white" if transparent else ""
    if grey >= _NEARLY_ALL:
        return Choice("grey", f"grey: {grey:.0%} have no colour{rest}")
    return Choice("", f"rgb: {grey:.0%} have no colour{rest}")


def mirror_for(count: int, sides: Sides | None, mirrored_pairs: int) -> Choice:
    """Whether to show mirror images as well."""
    if sides is None:
        return Choice("", "no: too few pictures to see whether left and right differ")
    seen = (
        f"a classifier told {sides.right:.0%} of {sides.count} pictures from their mirror images "
        "(50% is chance)"
    )
    if sides.are_different:
        return Choice("", f"no: left and right differ, {seen}")
    if count >= LARGE_SET:
        return Choice("", f"no: the set is large enough; {seen}")
    also = f"; {mirrored_pairs} pairs are mirrored already" if mirrored_pairs else ""
    return Choice("true", f"yes: {seen}{also}. It cannot read: leave it off for writing and logos")


def classes_for(look: Look) -> Choice | None:
    """Whether to learn classes; None if there are none."""
    if look.labels is None:
        return None
    names = look.labels.class_names
    counts = Counter(names[look.labels.of[name]] for name in look.names)
    least, fewest = min(((counts[name], name) for name in names), default=(0, ""))
    sizes = f"{len(names)} classes of {least} ({fewest}) to {max(counts.values())} pictures"
    if len(counts) < 2:
        return Choice("", f"no: {sizes}")
    if least < _CLASS_LEAST:
        return Choice("", f"no: {sizes}; a class of fewer than {_CLASS_LEAST} learns little")
    return Choice("true", f"yes: {sizes}")
