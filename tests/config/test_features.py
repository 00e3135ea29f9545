"""The section of the feature networks: names, sizes, weights."""

from __future__ import annotations

import json

import pytest

from projgan.build import settle
from projgan.config.load import RESUME_MAY_CHANGE, from_dict, override, resolve, to_json
from projgan.config.schema import RunConfig
from projgan.errors import ResourceError, UsageError
from tiny import tiny_options

TWO = "lite0,deit_small_patch16_224"


def config(**changes: str) -> RunConfig:
    options = {f"features.{key}": value for key, value in changes.items()}
    return override(RunConfig(), options)


@pytest.mark.parametrize(
    "resolution, name, expected",
    [
        ("64", "lite0", 224),
        ("256", "lite0", 256),
        ("256", "tf_efficientnet_b0", 224),
        ("512", "vit_small_patch14_dinov2", 224),
        ("64", TWO, 224),
        ("256", TWO, (256, 224)),
        ("256", "resnet18,test_vit", (256, 224)),
    ],
)
def test_reference_size_respects_networks_of_one_size(
    resolution: str, name: str, expected: int | tuple[int, ...]
) -> None:
    options = {"features.name": name, "features.pretrained": "false"}
    settled = settle(override(RunConfig(), options | {"data.resolution": resolution}))
    assert settled.features.input_size == expected
    assert from_dict(json.loads(to_json(settled))) == settled
    assert settle(settled) == settled


def test_one_size_for_all_or_one_each() -> None:
    assert config(name=TWO, input_size="224").features.sizes == (224,)
    assert config(name=TWO, input_size="256,224").features.sizes == (256, 224)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"name": "lite0,"}, "a name between commas is missing"),
        ({"name": TWO, "input_size": "128,130"}, "multiple of 32"),
        ({"name": TWO, "input_size": "128,128,128"}, "must be one number, or 2"),
        ({"input_size": "128,160"}, "must be one number, or 1"),
        ({"input_size": "big"}, "not a value"),
        ({"name": TWO, "weights": "a.safetensors"}, "must be 2, one for each network"),
        ({"weights": "random"}, "features.pretrained=false alone"),
        ({"weights": "a.safetensors", "pretrained": "false"}, "features.pretrained=false alone"),
    ],
)
def test_wrong_values_are_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        config(**changes)
    assert len(caught.value.lines()) <= 6


def test_random_weights_are_named_in_the_settled_config() -> None:
    options = {"features.name": "lite0,resnet18", "features.pretrained": "false"}
    settled = settle(override(RunConfig(), tiny_options() | options))
    assert settled.features.weights == ("random", "random")
    assert settled.features.description == "lite0 and resnet18 with RANDOM weights at 128 px"
    assert settle(settled) == settled


def test_description_of_a_usual_run() -> None:
    settled = resolve(config(), device="cpu", precision="fp32", threads=1)
    assert settled.features.description == "lite0 at 256 px"
    assert settled.features.weights == ()


def test_what_is_not_there_is_said_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="unknown feature network 'vgg'"):
        settle(config(name="lite0,vgg", input_size="128", pretrained="false"))
    with pytest.raises(UsageError, match="no such file"):
        settle(config(name="resnet18", weights="nowhere.safetensors"))


def test_missing_weights_stop_it_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    from projgan.features import weight_files

    monkeypatch.setattr(weight_files, "find_cached", lambda repository: None)
    with pytest.raises(ResourceError, match="of resnet18 are not on this machine"):
        settle(config(name="lite0,resnet18", weights="default,default"))


def test_the_place_of_the_weights_may_change_on_resume() -> None:
    assert "features.weights" in RESUME_MAY_CHANGE
    assert not {f"features.{name}" for name in ("name", "pretrained", "input_size")} & (
        RESUME_MAY_CHANGE
    )
