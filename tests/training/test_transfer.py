"""Weights from another run: what fits is taken over, what does not stays fresh and is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from projgan import storage
from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, UsageError
from projgan.snapshot import Snapshot
from projgan.training.checkpoint import save_checkpoint
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.training.transfer import first_names, merge, open_source, take_over
from tiny import reals, tiny_config


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return tiny_config()


@pytest.fixture(scope="module")
def trained(config: RunConfig) -> TrainingState:
    """After two steps, and with an average that differs from the generator."""
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    for seed in range(2):
        step(state, reals(seed=seed))
    with torch.no_grad():
        for parameter in state.generator_ema.parameters():
            parameter.mul_(0.9)
    return state


@pytest.fixture(scope="module")
def run(
    trained: TrainingState, config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run folder with a checkpoint and an older snapshot."""
    root = tmp_path_factory.mktemp("run")
    (root / "checkpoints").mkdir()
    (root / "snapshots").mkdir()
    save_checkpoint(root / "checkpoints", trained, config, fingerprint="f", hashes={})
    snapshot = Snapshot(new_state(config).generator_ema, config, images_seen=4)
    snapshot.save(root / "snapshots/000000004")
    return root


def same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


def test_a_whole_checkpoint_gives_generator_average_heads_and_nothing_else(
    run: Path, trained: TrainingState
) -> None:
    state = new_state(tiny_config(training__seed="0"))
    assert not same(state.generator, trained.generator)
    source = open_source(run)
    transfer = take_over(state, source)
    assert source.folder == (run / "checkpoints/step-00000002").resolve()
    assert source.images_seen == 8 and source.is_checkpoint
    for name in ("generator", "generator_ema", "discriminator"):
        assert same(getattr(state, name), getattr(trained, name)), name
    assert not same(state.generator, state.generator_ema)
    assert not state.optimizer_g.state and not state.optimizer_d.state
    assert (state.step, state.images_seen, state.averages.count) == (0, 0, 0)
    assert transfer.generator.fresh == transfer.discriminator.fresh == ()
    assert transfer.note == "with the same projection"
    assert all(p.requires_grad for p in state.generator.parameters())


def test_a_snapshot_gives_the_generator_and_its_average(run: Path) -> None:
    state, fresh = new_state(tiny_config()), new_state(tiny_config())
    source = open_source(run / "snapshots/000000004")
    transfer = take_over(state, source)
    saved = Snapshot.load(run / "snapshots/000000004", device="cpu").generator
    assert same(state.generator, saved) and same(state.generator_ema, saved)
    assert same(state.discriminator, fresh.discriminator)
    assert transfer.discriminator.count == 0 and "snapshot holds none" in transfer.note


def test_another_seed_takes_the_projection_of_the_source_along(
    run: Path, trained: TrainingState
) -> None:
    state = new_state(tiny_config(training__seed="5"))
    assert not same(state.discriminator.projector, trained.discriminator.projector)
    transfer = take_over(state, open_source(run))
    assert transfer.note == "with the projection of the source"
    assert same(state.discriminator, trained.discriminator)


def test_tokens_of_a_transformer_are_part_of_the_projection(tmp_path: Path) -> None:
    changes = {"features__name": "test_resnet,test_vit", "features__input_size": "128,224"}
    config = tiny_config(**changes)
    source_state = new_state(config)
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path / "checkpoints", source_state, config, fingerprint="f", hashes={})
    state = new_state(tiny_config(training__seed="5", **changes))
    view = state.discriminator.others[0]
    assert not same(view.features.tokens, source_state.discriminator.others[0].features.tokens)
    transfer = take_over(state, open_source(tmp_path))
    assert "projection of the source" in transfer.note, transfer
    assert same(state.discriminator, source_state.discriminator)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features__name": "test_resnet"}, "looks another way (through lite0, level 2)"),
        ({"projector__level": "1"}, "looks another way"),
        ({"projector__channels": "32"}, "looks another way"),
    ],
)
def test_heads_that_learned_behind_something_else_stay_fresh(
    run: Path, changes: dict[str, str], words: str
) -> None:
    config = tiny_config(**changes)
    state, fresh = new_state(config), new_state(config)
    transfer = take_over(state, open_source(run))
    assert words in transfer.note
    assert same(state.discriminator, fresh.discriminator)
    assert transfer.generator.fresh == ()


def test_heads_of_other_weights_stay_fresh(run: Path) -> None:
    state = new_state(tiny_config())
    with torch.no_grad():
        next(state.discriminator.features.network.parameters()).mul_(1.1)
    transfer = take_over(state, open_source(run))
    assert "has other weights" in transfer.note and transfer.discriminator.count == 0


def test_fewer_heads_take_theirs(run: Path, trained: TrainingState) -> None:
    state = new_state(tiny_config(heads__count="2"))
    transfer = take_over(state, open_source(run))
    assert transfer.discriminator.fresh == ()
    assert {name.split(".")[1] for name in transfer.discriminator.unused} == {"2", "3"}
    for mine, theirs in zip(
        state.discriminator.heads.scales, trained.discriminator.heads.scales, strict=False
    ):
        assert same(mine, theirs)


def test_a_larger_picture_keeps_what_it_shares_and_names_the_rest(
    run: Path, trained: TrainingState
) -> None:
    config = tiny_config(data__resolution="128")
    state, fresh = new_state(config), new_state(config)
    transfer = take_over(state, open_source(run))
    assert same(state.generator.blocks["32"], trained.generator_ema.blocks["32"])
    # The pair is broken, so the generator starts from the average too.
    assert same(state.generator.start, trained.generator_ema.start)
    assert same(state.generator.blocks["128"], fresh.generator.blocks["128"])
    names = transfer.generator.fresh
    assert "blocks.128.0.conv" in names
    assert transfer.generator.unused == ()
    sentence = transfer.sentences(config)[1]
    assert f"{transfer.generator.count} of {transfer.generator.count + len(names)}" in sentence
    assert first_names(names) in sentence and f"and {len(names) - 4} more" in sentence


def test_a_part_is_taken_whole_or_not_at_all() -> None:
    """A norm whose width differs keeps all of its own, also the counter, whose shape agrees."""
    mine = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1))
    theirs = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5), nn.Conv2d(4, 3, 1, bias=False))
    theirs[1].num_batches_tracked.fill_(7)
    taken = merge(mine, {**theirs.state_dict(), "3.weight": torch.zeros(1)})
    assert (taken.count, taken.fresh, taken.unused) == (1, ("1", "2"), ("3",))
    assert torch.equal(mine[0].weight, theirs[0].weight)
    assert not mine[1].num_batches_tracked
    assert not torch.equal(mine[2].weight, theirs[2].weight)


def test_nothing_that_fits_is_an_error_with_the_form_of_the_source(run: Path) -> None:
    state = new_state(tiny_config(generator__width="16", projector__level="0"))
    with pytest.raises(CheckpointError, match="nothing of it fits") as caught:
        take_over(state, open_source(run))
    assert caught.value.exit_code == 4
    assert "--generator fastgan-lite --set generator.width=8" in caught.value.next_command


def test_another_form_is_named_where_something_fits(run: Path) -> None:
    config = tiny_config(generator__width="16")
    transfer = take_over(new_state(config), open_source(run))
    assert transfer.generator.count == 0 and transfer.discriminator.count > 0
    assert "generator.width=8" in transfer.sentences(config)[-1]


def test_sources_are_verified_and_told_apart(run: Path, tmp_path: Path) -> None:
    checkpoint, snapshot = open_source(run), open_source(run / "snapshots/000000004")
    assert checkpoint.digest != snapshot.digest
    assert open_source(checkpoint.folder, checkpoint.digest) == checkpoint
    with pytest.raises(CheckpointError, match="another digest"):
        open_source(run, snapshot.digest)
    with pytest.raises(UsageError, match="no such folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no snapshot here"):
        open_source(tmp_path)
    storage.write_folder(
        tmp_path / "000000004", lambda target: (target / "snapshot.json").write_text("{}")
    )
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_source(tmp_path / "000000004")
    (tmp_path / "000000004/snapshot.json").write_text(json.dumps({"more": 1}))
    with pytest.raises(CheckpointError, match="is damaged"):
        open_source(tmp_path / "000000004")


def test_a_run_without_checkpoints_gives_its_newest_snapshot(run: Path, tmp_path: Path) -> None:
    (tmp_path / "snapshots").symlink_to(run / "snapshots")
    source = open_source(tmp_path)
    assert not source.is_checkpoint and source.images_seen == 4


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_discriminators_trained_from_pixels_go_over_as_a_whole(name: str, tmp_path: Path) -> None:
    config = tiny_config(discriminator__name=name)
    source_state = new_state(config)
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path / "checkpoints", source_state, config, fingerprint="f", hashes={})
    state = new_state(tiny_config(discriminator__name=name, training__seed="5"))
    assert not same(state.discriminator, source_state.discriminator)
    transfer = take_over(state, open_source(tmp_path))
    assert transfer.note == "trained from pixels" and transfer.discriminator.fresh == ()
    assert same(state.discriminator, source_state.discriminator)
    projected = take_over(new_state(tiny_config()), open_source(tmp_path))
    assert "through pixels" in projected.note and projected.discriminator.count == 0
    assert projected.generator.fresh == ()


def test_heads_are_nothing_to_a_discriminator_trained_from_pixels(run: Path) -> None:
    state, fresh = (new_state(tiny_config(discriminator__name="fastgan")) for _ in range(2))
    transfer = take_over(state, open_source(run))
    assert "heads on projected features" in transfer.note
    assert same(state.discriminator, fresh.discriminator)


def test_classes_keep_what_they_share(run: Path, trained: TrainingState) -> None:
    config = tiny_config(data__conditional="true", data__classes="cat,dog")
    state = new_state(config)
    transfer = take_over(state, open_source(run))
    assert same(state.generator.start, trained.generator_ema.start)
    assert "embed" in " ".join(transfer.generator.fresh)
    assert transfer.discriminator.count > 0 and transfer.discriminator.fresh
