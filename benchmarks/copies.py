"""What `projgan nearest` says of planted copies and of new pictures, on the drawn set.

python benchmarks/copies.py [--counts 100,300,1000] [--sizes 64,128] [--samples 200] [--lite1]

A line of JSON for each number of training pictures and size: the share called copies by thumbnails,
and with --lite1 also by lite1's features and by either.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from projgan.data.drawn import draw_picture
from projgan.evaluation.copies import Yardstick
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.neighbours import FeatureSpace
from projgan.evaluation.thumbnails import ThumbnailSpace, thumbnails

BATCH = 16


def draw(first: int, count: int, size: int) -> Tensor:
    """(count, 3, size, size) uint8: pictures of the set that `projgan demo` draws."""
    pictures = [np.array(draw_picture(0, first + i, size)) for i in range(count)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def noisy(pictures: Tensor, spread: float) -> Tensor:
    """With normal noise of so many of 255 levels."""
    draws = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    return (pictures.float() + spread * draws).round().clamp(0, 255).to(torch.uint8)


def shifted(pictures: Tensor, share: float) -> Tensor:
    """Each by up to this share of its side in both directions."""
    reach, side = round(share * pictures.shape[-1]), pictures.shape[-1]
    stream = torch.Generator().manual_seed(2)
    wide = F.pad(pictures.float(), (reach,) * 4, mode="replicate").to(torch.uint8)
    corners = torch.randint(0, 2 * reach + 1, (len(pictures), 2), generator=stream).tolist()
    return torch.stack(
        [p[:, y : y + side, x : x + side] for p, (y, x) in zip(wide, corners, strict=True)]
    )


def recoloured(pictures: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and tint each changed by up to this share."""
    stream = torch.Generator().manual_seed(3)
    draws = torch.rand(len(pictures), 5, 1, 1, generator=stream) * 2 - 1
    values = pictures.float()
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    values = (values - mean) * (1 + strength * draws[:, :1]) + mean + strength * 127 * draws[:, 1:2]
    return (values * (1 + strength / 2 * draws[:, 2:])).round().clamp(0, 255).to(torch.uint8)


def blurred(pictures: Tensor) -> Tensor:
    """At half the resolution."""
    small = F.interpolate(pictures.float(), scale_factor=0.5, mode="bilinear", antialias=True)
    return F.interpolate(small, size=pictures.shape[-2:], mode="bilinear").round().to(torch.uint8)


PLANTED: dict[str, Callable[[Tensor], Tensor]] = {
    "noise 5": lambda p: noisy(p, 5),
    "noise 10": lambda p: noisy(p, 10),
    "noise 20": lambda p: noisy(p, 20),
    "mirrored, noise 10": lambda p: noisy(p.flip(3), 10),
    "shifted 3 %": lambda p: shifted(p, 1 / 32),
    "shifted 6 %": lambda p: shifted(p, 1 / 16),
    "colours 20 %": lambda p: recoloured(p, 0.2),
    "blurred": blurred,
}


def measure(count: int, size: int, samples: int, lite1: bool) -> dict[str, object]:
    """The shares for one set."""
    real = draw(0, count, size)
    by_thumbnail = Yardstick(ThumbnailSpace(thumbnails(real.split(BATCH))))
    extractor = Extractor() if lite1 else None
    by_lite1 = None
    if extractor is not None:
        sides = [extractor.features(side.split(BATCH)) for side in (real, real.flip(3))]
        by_lite1 = Yardstick(FeatureSpace(*sides))
    sets = {"new": draw(count, samples, size)}
    sets |= {name: plant(real[:samples]) for name, plant in PLANTED.items()}
    result: dict[str, object] = {"pictures": count, "size": size}
    result["threshold"] = round(by_thumbnail.threshold, 3)
    for name, pictures in sets.items():
        is_copy = [by_thumbnail.score(thumbnails(pictures.split(BATCH))).is_copy]
        if extractor is not None and by_lite1 is not None:
            is_copy.append(by_lite1.score(extractor.features(pictures.split(BATCH))).is_copy)
            is_copy.append(is_copy[0] | is_copy[1])
        shares = [round(float(one.float().mean()), 3) for one in is_copy]
        result[name] = shares if lite1 else shares[0]
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="100,300,1000")
    parser.add_argument("--sizes", default="64,128")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--lite1", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for size in map(int, args.sizes.split(",")):
        for count in map(int, args.counts.split(",")):
            print(json.dumps(measure(count, size, args.samples, args.lite1)), flush=True)


if __name__ == "__main__":
    main()
