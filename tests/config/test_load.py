import json
from pathlib import Path

import pytest

from projgan.config.load import (
    RESUME_MAY_CHANGE,
    differences,
    from_dict,
    load_config,
    merge,
    override,
    resolve,
    to_json,
)
from projgan.config.presets import PRESETS
from projgan.config.schema import RunConfig
from projgan.errors import UsageError


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_survives_the_way_to_json_and_back(name: str) -> None:
    config = load_config(preset=name)
    assert config.preset == name
    assert from_dict(json.loads(to_json(config))) == config


def test_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="few-shot-256") as caught:
        load_config(preset="few-shots")
    assert caught.value.exit_code == 2


def test_precedence_is_preset_then_file_then_options(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("training:\n  batch: 4\n  seed: 7\ngenerator: {width: 16}\n")
    config = load_config(preset="demo", file=file, options={"training.seed": "9"})
    assert (config.training.batch, config.training.seed) == (4, 9)
    assert config.generator.width == 16
    assert config.generator.z_dim == PRESETS["demo"].config.generator.z_dim


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trainig": {}}, "unknown section 'trainig'"),
        ({"training": {"bach": 3}}, "unknown setting in section training 'bach'"),
        ({"training": {"batch": "many"}}, "'many' is not a int"),
        ({"training": {"batch": 2.5}}, "2.5 is not a int"),
        ({"training": {"batch": True}}, "True is not a int"),
        ({"training": {"precision": "fp8"}}, "unknown value of training.precision 'fp8'"),
        ({"training": 3}, "a section holds settings"),
        ({"optimizer": {"lr_g": float("nan")}}, "is not a float"),
        ({"data": {"resolution": 100}}, "resolution 100 is not one of"),
        ({"data": {"background": "white"}}, "is not a colour"),
        ({"augment": {"policy": ["blur"]}}, "unknown augmentation 'blur'"),
        ({"heads": {"count": 5}}, "between 1 and 4"),
        ({"features": {"input_size": 130}}, "multiple of 32"),
        ({"features": {"input_size": "big"}}, "not a value|reference"),
        ({"training": {"batch": 6, "micro_batch": 4}}, "divide"),
        ({"generator": {"width": 10**9}}, "between 8 and 512"),
        ({"schema_version": 99}, "schema version 99"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        merge(RunConfig(), values)
    assert len(caught.value.lines()) <= 6


def test_words_of_the_command_line_become_values() -> None:
    config = override(
        RunConfig(),
        {
            "training.images": "400k",
            "optimizer.lr_g": "1e-3",
            "data.mirror": "yes",
            "augment.policy": "color,cutout",
            "features.input_size": "128",
        },
    )
    assert config.training.images == 400_000
    assert config.optimizer.lr_g == 1e-3
    assert config.data.mirror is True
    assert config.augment.policy == ("color", "cutout")
    assert config.features.input_size == 128


def test_an_option_without_a_section_is_refused() -> None:
    with pytest.raises(UsageError, match="names no setting"):
        override(RunConfig(), {"batch": "4"})


@pytest.mark.parametrize(("resolution", "size"), [(64, 224), (128, 224), (256, 256), (1024, 1024)])
def test_reference_rule_of_the_feature_size(resolution: int, size: int) -> None:
    config = override(RunConfig(), {"data.resolution": str(resolution)})
    assert resolve(config, device="cpu", precision="fp32", threads=1).features.input_size == size


def test_resolving_leaves_nothing_open_and_twice_changes_nothing() -> None:
    once = resolve(RunConfig(), device="cpu", precision="fp32", threads=2)
    assert once.training.micro_batch == once.training.batch
    assert once.training.ema_half_life_kimg == once.training.batch * 10 / 32
    assert resolve(once, device="cpu", precision="fp32", threads=2) == once


def test_reference_presets_name_the_oddities() -> None:
    """Method facts, 8.1: lazy regularisation scales the heads' learning rate and beta2."""
    for name in ("reference-fastgan", "reference-fastgan-lite"):
        config = load_config(preset=name)
        assert config.optimizer.lr_d == pytest.approx(1.882e-4, rel=1e-3)
        assert config.optimizer.beta2_d == pytest.approx(0.990585, abs=1e-6)
        assert (config.optimizer.lr_g, config.optimizer.beta1) == (2e-4, 0.0)
        assert (config.generator.width, config.generator.z_dim) == (128, 256)
        assert (config.training.step, config.training.accumulate) == ("alternating", "sum")
        assert config.training.batch == 64 and config.training.images == 25_000_000
        assert config.features.name == "lite0-reference"


def test_differences_name_settings() -> None:
    other = override(RunConfig(), {"training.batch": "16", "training.images": "5"})
    assert set(differences(RunConfig(), other)) == {"training.batch", "training.images"}
    assert "training.images" in RESUME_MAY_CHANGE
    assert "training.batch" not in RESUME_MAY_CHANGE


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [", "!!python/object/apply:os.system ['true']"])
def test_files_that_are_no_config(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UsageError):
        load_config(file=file)
    with pytest.raises(UsageError, match="no such file"):
        load_config(file=tmp_path / "missing.yaml")
