"""A run folder as the report finds it, written without training."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from projgan.config.load import override, to_json
from projgan.images import grid, save_image
from tiny import reals, tiny_config


def write_run(root: Path, *, rows: int = 4, path: str = "/home/someone/photos") -> Path:
    """Config, history with every known figure, grids, and a checkpoint that names its torch."""
    (root / "samples").mkdir(parents=True)
    (root / "checkpoints/step-00000008").mkdir(parents=True)
    (root / "config.json").write_text(to_json(override(tiny_config(), {"data.path": path})))
    (root / "checkpoints/step-00000008/state.json").write_text('{"torch": "2.99.0"}')
    lines = [row_of(number + 1, rows) for number in range(rows)]
    (root / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for images in (0, 16, 32):
        save_image(grid(reals(4, seed=images)), root / f"samples/{images:09d}.png")
    save_image(grid(torch.zeros(4, 3, 32, 32)), root / "samples/reals.png")
    return root


def row_of(number: int, rows: int) -> dict[str, float | str]:
    share = number / rows
    return {
        "images_seen": 8 * number,
        "step": 2 * number,
        "epoch": round(8 * number / 6, 4),
        "loss_g": 3.0 - share,
        "loss_d": 0.5 + share,
        "logits_real": 2.0,
        "logits_fake": -2.0 + share,
        "sign_real": 0.9,
        "sign_fake": -0.9,
        "augment_p": share,
        "grad_norm_g": 1.0 / number,
        "grad_norm_d": 2.0,
        "fd_lite1": 100.0 / number,
        "kid_lite1": 0.1 / number,
        "precision": share / 2,
        "recall": share / 4,
        "diversity": 10 + share,
        "copy_score": 0.1,
        "state": "learning",
        "images_per_s": 20.0,
        "elapsed_s": 0.4 * number,
        "memory_mb": 900.0,
    }
