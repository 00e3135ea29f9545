"""Draws docs/flowers.png, the picture of the README: twelve by four flowers of the drawn set.

python benchmarks/readme_picture.py [--out PATH] [--overwrite]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from projgan.data.drawn import draw_picture
from projgan.images import grid, save_image

COLUMNS, ROWS, SIDE_PX = 12, 4, 96
SEED = 0
STEP = 5
"""Values are rounded to multiples of this, which takes four tenths off the file."""
OUT = Path(__file__).resolve().parents[1] / "docs" / "flowers.png"


def flowers() -> Image.Image:
    """The first 48 flowers of the set that `projgan demo` draws, in four rows."""
    pictures = [draw_picture(SEED, index, SIDE_PX) for index in range(COLUMNS * ROWS)]
    pixels = np.stack([np.asarray(picture) for picture in pictures])  # (48, 96, 96, 3)
    rounded = (np.round(pixels / STEP) * STEP).astype(np.uint8)
    return grid(torch.from_numpy(rounded).permute(0, 3, 1, 2), columns=COLUMNS)


def main() -> None:
    """Write the picture and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    args = parser.parse_args()
    if args.out.exists() and not args.overwrite:
        parser.error(f"{args.out} exists already; add --overwrite")
    save_image(flowers(), args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
