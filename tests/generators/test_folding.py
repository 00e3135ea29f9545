"""A generator for use alone makes the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from command import in_this_process, projgan
from projgan.build import make_generator
from projgan.generators.folding import folded
from projgan.snapshot import Snapshot
from tiny import make_loud, tiny_config

KINDS = ("fastgan-lite", "fastgan", "stylegan2")


def trained(name: str = "fastgan-lite", **changes: str) -> Snapshot:
    """With batch statistics and vectors as after some training."""
    config = tiny_config(generator__name=name, data__resolution="64", **changes)
    generator = make_loud(make_generator(config)).train()
    with torch.no_grad():
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        for seed in range(3):
            generator(generator.latents(range(4 * seed, 4 * seed + 4)))
    return Snapshot(generator, config, images_seen=0)


@pytest.mark.parametrize("name", KINDS)
def test_pictures_are_the_same_to_rounding(name: str) -> None:
    snapshot = trained(name)
    before = {key: value.clone() for key, value in snapshot.generator.state_dict().items()}
    pictures, quick = snapshot.sample(range(8)), snapshot.quick()
    assert pictures.std() > 0.01
    scale = float(pictures.abs().max())
    assert float((quick.sample(range(8)) - pictures).abs().max()) < 2e-5 * scale
    close = float((snapshot.quick(bf16=True).sample(range(8)) - pictures).abs().max())
    assert 0 < close < 0.1 * scale  # it is bf16, and not much else
    after = snapshot.generator.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_norms_and_divisions_are_gone() -> None:
    quick = folded(trained().generator)
    assert not [m for m in quick.modules() if isinstance(m, nn.BatchNorm2d)]
    layer = quick.to_image
    assert layer.normalized_weight() is layer.weight
    # Noise stands between convolution and norm in the full network, whose norms must stay.
    noisy = folded(trained("fastgan").generator)
    assert [m for m in noisy.modules() if isinstance(m, nn.BatchNorm2d)]


def test_a_quick_one_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not those that a run has learned"):
        trained().quick().save(tmp_path / "snapshot")
    with pytest.raises(AssertionError, match="divides anew"):
        make_generator(tiny_config()).train().to_image.settle()


def test_many_pictures_by_count(tmp_path: Path) -> None:
    snapshot = trained()
    snapshot.save(tmp_path / "one")
    out, said = projgan(tmp_path, "sample", "one", "--count", "300", "--out", "many")
    assert "300 file(s): many" in out and "300 pictures, " in said and " a second" in said
    files = sorted((tmp_path / "many").iterdir())
    assert [file.name for file in files] == [f"seed{seed:06d}.png" for seed in range(300)]
    # Across the parts in which latents are drawn, each seed has its own picture.
    expected = ((snapshot.sample([299])[0] + 1) * 127.5).clamp(0, 255).permute(1, 2, 0)
    with Image.open(files[-1]) as image:
        found = torch.from_numpy(np.array(image)).float()
    assert float((found - expected).abs().max()) <= 1.01
    words = ("sample", "one", "--out", "other")
    in_this_process(tmp_path, *words, "--count", "2", "--precision", "bf16")
    for wrong in (
        ("--count", "0"),
        ("--count", "2", "--seeds", "1"),
        ("--best-of", "2", "--precision", "bf16"),
        ("--mix-with", "1", "--precision", "bf16"),
    ):
        in_this_process(tmp_path, *words, *wrong, code=2)
