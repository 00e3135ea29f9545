"""Batches read ahead are the batches, and the thread that reads them leaves nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from projgan.config.pictures import DataConfig
from projgan.data import batches as data_batches
from projgan.data.batches import Batches
from projgan.data.dataset import PreparedSet
from projgan.data.prepare import prepare
from projgan.data.sampler import Sampler
from projgan.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture
def prepared(picture_folder: Path, tmp_path: Path) -> PreparedSet:
    return prepare(DataConfig(path=str(picture_folder), resolution=32), tmp_path / "out")


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "reads ahead" in one.name]


def make(prepared: PreparedSet, ahead: bool | None, **options: bool) -> Batches:
    sampler = Sampler(len(prepared), seed=3, mirror=True)
    return Batches(prepared, sampler, 5, device=CPU, ahead=ahead, **options)


def test_the_position_alone_decides(prepared: PreparedSet) -> None:
    prepared.labels = list(np.arange(len(prepared)) % 3)
    with make(prepared, False, with_classes=True) as plain:
        expected = {position: plain.at(position) for position in range(0, 100, 5)}
    order = [*range(0, 60, 5), 20, 25, 95]  # on, back as after a rollback, and far ahead
    with make(prepared, True, with_classes=True) as ahead:
        for position in order:
            images, c = ahead.at(position)
            assert torch.equal(images, expected[position][0])
            assert c is not None and torch.equal(c, expected[position][1])
            assert images.is_contiguous(memory_format=torch.channels_last)
        assert threads()
    assert not threads()


def test_a_thread_reads_where_it_pays(
    prepared: PreparedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_thread() -> bool:
        with make(prepared, None) as batches:
            images, c = batches.at(0)
            assert len(images) == 5 and c is None
            return bool(threads())

    assert not has_thread()
    monkeypatch.setattr(data_batches, "SMALL_BYTES", prepared.pixels.nbytes - 1)
    assert has_thread()
    prepared.on_device("cpu", prepared.pixels.nbytes)
    assert not has_thread()


def test_a_fault_of_the_reader_is_the_loop_s(
    prepared: PreparedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make(prepared, True) as batches:
        batches.at(0)
        assert batches._next is not None
        batches._next[1].result()

        def fail(*_: object, **__: object) -> None:
            raise DataError("the disk has gone", where="here")

        monkeypatch.setattr(prepared, "images", fail)
        batches.at(5)  # was read before
        with pytest.raises(DataError, match="the disk has gone"):
            batches.at(10)
    assert not threads()


def test_the_thread_ends_with_a_loop_that_breaks(prepared: PreparedSet) -> None:
    with pytest.raises(KeyboardInterrupt), make(prepared, True) as batches:
        batches.at(0)
        raise KeyboardInterrupt
    assert not threads()


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [False, True])
def test_on_cuda_they_are_the_same(prepared: PreparedSet, resident: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    device = torch.device("cuda")
    if resident:
        prepared.on_device(device, prepared.pixels.nbytes)
    sampler = Sampler(len(prepared), seed=3, mirror=True)
    with Batches(prepared, sampler, 5, device=device) as batches, make(prepared, False) as plain:
        for position in range(0, 40, 5):
            found = batches.at(position)[0]
            assert found.device.type == "cuda"
            assert torch.equal(found.cpu(), plain.at(position)[0])
        assert bool(threads()) is not resident
