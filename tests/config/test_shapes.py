"""Sizes and modes of pictures: one spelling each, and a way out of every refusal."""

from __future__ import annotations

import json

import pytest

from projgan.config.load import from_dict, override, resolve, to_json
from projgan.config.pictures import DataConfig
from projgan.config.schema import RunConfig
from projgan.errors import UsageError


@pytest.mark.parametrize(
    ("written", "resolution", "size", "words"),
    [
        ("64", 64, (64, 64), "64 px"),
        ("64x64", 64, (64, 64), "64 px"),
        ("256x192", "256x192", (192, 256), "256x192 px"),
        ("32X128", "32x128", (128, 32), "32x128 px"),
        ("0096x064", "96x64", (64, 96), "96x64 px"),
    ],
)
def test_a_resolution_has_one_spelling(
    written: str, resolution: int | str, size: tuple[int, int], words: str
) -> None:
    data = override(RunConfig(), {"data.resolution": written}).data
    assert (data.resolution, data.size, data.description) == (resolution, size, words)
    assert data.is_square == (size[0] == size[1])


@pytest.mark.parametrize(("mode", "channels"), [("rgb", 3), ("grey", 1), ("rgba", 4)])
def test_a_saved_config_comes_back(mode: str, channels: int) -> None:
    config = override(RunConfig(), {"data.resolution": "96x64", "data.mode": mode})
    assert config.data.channels == channels
    assert from_dict(json.loads(to_json(config))) == config
    assert mode == "rgb" or config.data.description == f"96x64 px, {mode}"


@pytest.mark.parametrize(
    ("written", "message", "way_out"),
    [
        ("96", "is not one of 32, 64", "use --resolution 128"),
        ("96x96", "resolution 96 is not one of", "use --resolution 128"),
        ("250x190", "multiples of 32 from 32 to 1024", "use --resolution 256x192"),
        ("16x64", "multiples of 32", "use --resolution 32x64"),
        ("2048x1024", "multiples of 32", "use --resolution 1024"),
        ("1024x32", "one side may be 4 times the other", ""),
        ("wide", "neither a number nor WIDTHxHEIGHT", "use --resolution 256,"),
        ("64x64x3", "neither a number nor", "use --resolution 256,"),
        ("9" * 5000, "neither a number nor", "use --resolution 256,"),
        ("-64x64", "neither a number nor", "use --resolution 256,"),
    ],
)
def test_what_is_not_offered_is_refused(written: str, message: str, way_out: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        override(RunConfig(), {"data.resolution": written})
    assert caught.value.next_command.startswith(way_out)


def test_an_unknown_mode_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="rgb, grey, rgba"):
        override(RunConfig(), {"data.mode": "cmyk"})
    with pytest.raises(UsageError, match="rgb, grey, rgba"):
        DataConfig(mode="cmyk")  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["augment.policy", "augment.adaptive"])
def test_quarter_turns_are_for_squares(setting: str) -> None:
    plain = {"augment.policy": "color", setting: "rotate90"}
    override(RunConfig(), plain)
    with pytest.raises(UsageError, match="rotate90 is for squares"):
        override(RunConfig(), plain | {"data.resolution": "96x64"})


@pytest.mark.parametrize(("written", "size"), [("96x64", 224), ("256x192", 224), ("512x320", 320)])
def test_the_reference_size_is_the_shorter_side(written: str, size: int) -> None:
    config = override(RunConfig(), {"data.resolution": written})
    settled = resolve(config, device="cpu", precision="fp32", threads=1)
    assert settled.features.input_size == size
