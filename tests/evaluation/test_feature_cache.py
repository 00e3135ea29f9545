from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from projgan.evaluation.feature_cache import FeatureCache, features_key

KEY = features_key("f" * 64, [0, 1], "lite1")


class Work:
    """Counts how often features are computed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Tensor:
        self.times += 1
        return torch.arange(6.0).view(2, 3)


def test_features_are_computed_once(tmp_path: Path) -> None:
    notes: list[str] = []
    work, cache = Work(), FeatureCache(tmp_path / "new", note=notes.append)
    first = cache.get(KEY, (2, 3), work)
    again = FeatureCache(tmp_path / "new", note=notes.append).get(KEY, (2, 3), work)
    assert torch.equal(first, again) and work.times == 1 and not notes


def test_the_key_is_of_pictures_choice_and_network() -> None:
    others = [
        features_key("e" * 64, [0, 1], "lite1"),
        features_key("f" * 64, [0, 2], "lite1"),
        features_key("f" * 64, [0, 1], "lite0"),
    ]
    assert len({KEY, *others}) == 4 and features_key("f" * 64, [0, 1], "lite1") == KEY


def test_damage_is_noticed_and_mended(tmp_path: Path) -> None:
    work, cache = Work(), FeatureCache(tmp_path, note=lambda text: None)
    expected = cache.get(KEY, (2, 3), work)
    folder = tmp_path / "features" / KEY
    file = folder / "features.safetensors"
    content = file.read_bytes()
    for broken in (content[:-1] + b"\x7f", content[:20], b""):
        file.write_bytes(broken)
        assert torch.equal(cache.get(KEY, (2, 3), work), expected)
        assert file.read_bytes() == content  # written anew
    assert work.times == 4
    (folder / "manifest.json").unlink()
    cache.get(KEY, (2, 3), work)
    assert work.times == 5
    cache.get(KEY, (2, 4), work)  # whole, but not what is expected
    assert work.times == 6


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    notes: list[str] = []
    (tmp_path / "features").write_text("in the way")
    assert FeatureCache(tmp_path, note=notes.append).get(KEY, (2, 3), Work()).shape == (2, 3)
    assert len(notes) == 1 and "not kept" in notes[0]


def test_broken_features_are_not_kept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, note=lambda text: None)
    cache.get(KEY, (1, 1), lambda: torch.tensor([[torch.nan]]))
    assert not (tmp_path / "features" / KEY).exists()
