"""Extractors beside the default one: weights from files, and clear words where there are none."""

from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from projgan.errors import CheckpointError, ResourceError, UsageError
from projgan.evaluation import inception, networks
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.networks import Network


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The extractor "tiny", a ViT of timm's for tests at another size than its own; its weights."""
    plan = Network("test_vit.r160_in1k", size=64)
    monkeypatch.setattr(networks, "TIMM_NETWORKS", {"tiny": plan})
    network, _, _ = networks._create(plan)
    file = tmp_path / "tiny.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file)
    return file


def pictures(count: int = 3, size: int = 40) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=stream).byte()


def test_a_network_of_timm_from_a_file(tiny: Path) -> None:
    extractor = Extractor("tiny", weights=tiny)
    features = extractor.features([pictures()])
    assert features.shape == (3, extractor.num_features) and features.std() > 0
    assert extractor.metric == "fd-tiny" and extractor.metric_name("kid") == "kid-tiny"
    assert "64 px bilinear antialias" in extractor.description
    assert hashlib.sha256(tiny.read_bytes()).hexdigest() in extractor.identity
    assert extractor.logits(features) is None
    assert torch.equal(Extractor("tiny", weights=tiny).features([pictures()]), features)


def test_weights_that_are_not_here(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projgan.features.weight_files.find_cached", lambda repository: None)
    with pytest.raises(ResourceError, match="tiny are not on this machine") as caught:
        Extractor("tiny")
    assert "--download" in caught.value.next_command
    assert "--weights tiny=FILE" in caught.value.next_command
    save_file({"another": torch.zeros(3)}, tiny)
    with pytest.raises(CheckpointError, match="not the weights of test_vit"):
        Extractor("tiny", weights=tiny)
    with pytest.raises(UsageError, match=r"\.safetensors"):
        Extractor("tiny", weights=tiny.with_suffix(".pth"))
    with pytest.raises(UsageError, match="come with projgan"):
        Extractor("lite1", weights=tiny)


class FakeInception(nn.Module):
    """What torch-fidelity builds, as far as it is used; it loads the file that it is given."""

    def __init__(self, name: str, layers: list[str], feature_extractor_weights_path: str) -> None:
        super().__init__()
        self.fc = nn.Linear(2048, 1008)
        self.fc.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=True))

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        assert pixels.dtype == torch.uint8
        return (pixels.float().mean(dim=(2, 3)).repeat(1, 683)[:, :2048],)


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A torch-fidelity that is installed, and a file of weights with the right digest."""
    library: Any = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    library.FeatureExtractorInceptionV3 = FakeInception
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, library.__name__, library)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    file = tmp_path / "inception.pth"
    torch.save(nn.Linear(2048, 1008).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "_DIGEST", digest[:8])
    return file


def test_only_inception_has_the_standard_names(fidelity: Path) -> None:
    extractor = Extractor("inception", weights=fidelity)
    assert extractor.metric == "FID"
    assert [extractor.metric_name(m) for m in ("kid", "is")] == ["KID", "IS"]
    assert extractor.metric_name("precision") == "precision-inception"
    assert "299 px" in extractor.description and "TensorFlow" in extractor.description
    features = extractor.features([pictures()])
    expected = pictures().float().mean(dim=(2, 3))
    assert torch.equal(features[:, :3], expected)  # every level arrives as it is in the file
    logits = extractor.logits(features)
    assert logits is not None
    assert torch.equal(logits, features @ extractor.trunk.head.T)  # without the bias
    with pytest.raises(UsageError, match="256 levels"):
        extractor.unrounded(torch.zeros(1, 3, 8, 8))


def test_inception_without_its_parts(fidelity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResourceError, match="inception are not on this machine"):
        Extractor("inception")
    with pytest.raises(UsageError, match="no such file"):
        Extractor("inception", weights=fidelity.with_name("none.pth"))
    fidelity.write_bytes(fidelity.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="SHA-256 begins with"):
        Extractor("inception", weights=fidelity)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ResourceError, match="needs torch-fidelity") as caught:
        Extractor("inception", weights=fidelity)
    assert caught.value.next_command == "pip install 'projgan[fid]'"


def test_a_pickle_in_place_of_weights_runs_nothing(
    fidelity: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (canary,))

    torch.save({"weight": Attack()}, fidelity)
    digest = hashlib.sha256(fidelity.read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "_DIGEST", digest[:8])
    with pytest.raises(CheckpointError, match="cannot be used"):
        Extractor("inception", weights=fidelity)
    assert not canary.exists()
