"""Several processes train one run: how they come together, and what all but the main one do.

The main process is like one that trains alone, but for what it tells the others: the config and the
state to start from, a rollback, the end. The others open the same pictures, take over that state
and take part in every step; they write nothing and say nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from projgan.build import make_augment
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.data.prepare import open_cached
from projgan.data.sampler import Sampler
from projgan.errors import DataError, DivergedError, StoppedBySignal, ToldElsewhere, UsageError
from projgan.generators.plugin import admit
from projgan.processes import process_count
from projgan.training.compiling import compile_networks
from projgan.training.device import prepare_device
from projgan.training.loop import Budget, Every, run_loop
from projgan.training.ranks import ALONE, Group, Ranks
from projgan.training.signals import FallenElsewhere, StopRequest, catch_signals
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.workflows.watch import Watch


@contextlib.contextmanager
def together(device: str) -> Iterator[Ranks]:
    """This process among those that a launcher started with it; alone if there are none.

    Raises: as `training.ranks.Group`.
    """
    if process_count() == 1:
        yield ALONE
        return
    group = Group(device)
    in_peace = False
    try:
        yield group
        in_peace = True
    except StoppedBySignal as stopped:  # all ranks were
        in_peace = True
        if not group.is_main:
            raise ToldElsewhere(stopped.exit_code) from stopped
        raise
    finally:
        group.leave(in_peace=in_peace)


def require_divisible(config: RunConfig) -> None:
    """Raise UsageError unless every process gets as many images of a batch, and at least 2."""
    count = process_count()
    batch, own = config.training.batch, config.training.batch // count
    micro = min(config.training.micro_batch, own)
    if batch % count == 0 and own >= 2 and own % micro == 0:
        return
    raise UsageError(
        f"a batch of {batch} in parts of {config.training.micro_batch} cannot be shared by "
        f"{count} processes",
        where="settings training.batch, training.micro_batch",
        next_command=f"--batch {max(2, -(-batch // count)) * count}",
    )


def gatherings(config: RunConfig, ranks: Ranks) -> list[Every]:
    """What all ranks do before the main one writes: losses of all go to its averages.

    They stop for it together whenever the main one has something to do, and not only for lines.
    """
    if ranks.count == 1:
        return []

    def gather(state: TrainingState) -> None:
        state.averages.gather(ranks)

    training = config.training
    every = {training.log_every, training.sample_every, config.metrics.every}
    every |= {training.snapshot_every, training.checkpoint_every}
    return [Every(images, gather) for images in sorted(every - {0})]


@contextlib.contextmanager
def leading(
    config: RunConfig, pictures: PreparedSet, until: int | None, watch: Watch
) -> Iterator[Ranks]:
    """Main rank: come together with the others, and tell them what will be trained.

    They wait for it in `follow`.
    """
    training = config.training
    with together(training.device) as ranks:
        if ranks.count > 1:
            watch.note(
                f"{ranks.count} processes, each with {training.batch // ranks.count} images "
                f"of a batch; batch norms {training.batch_norm}"
            )
        ranks.tell(
            {
                "config": json.dumps(config.to_dict()),
                "fingerprint": pictures.fingerprint,
                "until": training.images if until is None else until,
            }
        )
        yield ranks


def follow(device: str, *, allow_code: bool) -> RunConfig:
    """All but the main rank: take part in what it trains, to the end. Returns what that was.

    Raises: DataError: the pictures on this machine are others. StoppedBySignal: after a signal to
        any of the processes. ToldElsewhere: the main one has given up, and says why.
    """
    with together(device) as ranks:
        return _follow(ranks, allow_code=allow_code)


def _follow(ranks: Ranks, *, allow_code: bool) -> RunConfig:
    told = ranks.tell(None)
    config = from_dict(json.loads(told["config"]))
    admit(config.generator.name, allow_code=allow_code)
    pictures = open_cached(config.data, fingerprint=told["fingerprint"])
    if pictures.fingerprint != told["fingerprint"]:
        raise DataError(
            f"process {ranks.index} finds other pictures than process 0", where=config.data.path
        )
    prepare_device(config.training)
    with catch_signals() as stop:
        state = new_state(config)
        ranks.share(state)
        _take_part(config, pictures, state, ranks, until=told["until"], stop=stop)
    if code := ranks.tell(None):
        raise StoppedBySignal("stopped", signal_number=code - 128, safe="", next_command="")
    return config


def _take_part(
    config: RunConfig,
    pictures: PreparedSet,
    state: TrainingState,
    ranks: Ranks,
    *,
    until: int,
    stop: StopRequest,
) -> None:
    """The loop of a sitting without what the main rank does; it begins anew after a rollback."""
    labels = pictures.classes_of(range(len(pictures))) if config.data.conditional else None
    if config.training.compile == "on":
        compile_networks(state, config, make_augment(config), labels, ranks=ranks)
    while True:
        augment = make_augment(config, is_stronger=state.rollbacks > 0)
        try:
            run_loop(
                state,
                TrainStep(config, augment, labels, ranks=ranks),
                pictures,
                Sampler(len(pictures), seed=config.training.seed, mirror=config.data.mirror),
                budget=Budget.of(config),
                until=until,
                callbacks=gatherings(config, ranks),
                stop=stop,
            )
            state.averages.gather(ranks)
            return
        except (DivergedError, FallenElsewhere):
            if not ranks.tell(None):
                raise ToldElsewhere(DivergedError.exit_code) from None
            ranks.share(state)
