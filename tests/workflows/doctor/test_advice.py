"""What is suggested for pictures of which sizes, shapes and modes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from projgan.config.pictures import DataConfig
from projgan.data.labels import Labels
from projgan.data.report import Report
from projgan.workflows.doctor.advice import (
    carried,
    classes_for,
    fit_for,
    mirror_for,
    mode_for,
    shape_for,
)
from projgan.workflows.doctor.length import Candidate, choose
from projgan.workflows.doctor.looking import Look
from projgan.workflows.doctor.trial import Trial
from projgan.workflows.doctor.unusual import Sides


def look(*sizes: tuple[int, int], plain: float = 0.0) -> Look:
    count = len(sizes)
    nothing = np.zeros(count, bool)
    border = np.tile([plain, 10.0, 200.0, 30.0], (count, 1))
    return Look(
        report=Report(found=count, used=count),
        names=[f"{index}.png" for index in range(count)],
        hashes=[str(index) for index in range(count)],
        sizes=np.array(sizes),
        small=np.zeros((count, 32, 32, 3), np.uint8),
        is_grey=nothing,
        is_transparent=nothing,
        border=border,
        labels=None,
        prepared=None,
        seen=np.arange(0),
        features=torch.empty(0, 4),
        mirrored=torch.empty(0, 4),
        mirrored_of=np.arange(0),
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(300, 400)] * 20, 256),
        ([(300, 400)] * 19 + [(40, 40)], 256),
        ([(300, 400)] * 15 + [(70, 90)] * 5, 64),
        ([(20, 20)], 32),
        ([(5000, 4000)], 1024),
    ],
)
def test_nine_of_ten_pictures_fill_the_square(sizes: list[tuple[int, int]], expected: int) -> None:
    assert carried(np.array(sizes))[0] == expected


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((400, 300), 256, "288x224"),
        ((300, 400), 256, "224x288"),
        ((400, 380), 256, 256),
        ((1600, 900), 128, "160x96"),
        ((2000, 100), 128, "256x64"),
    ],
)
def test_one_shape_becomes_a_rectangle(
    size: tuple[int, int], side: int, expected: int | str
) -> None:
    assert shape_for(side, np.array([size] * 10)) == expected
    DataConfig(resolution=expected)  # one that is offered


def test_mixed_shapes_stay_a_square() -> None:
    assert shape_for(256, np.array([(400, 300), (300, 400)] * 5)) == 256


def test_padding_only_before_a_plain_border() -> None:
    mixed = [(400, 200), (200, 400)] * 5
    assert fit_for(look(*mixed), 256)[0].value == ""
    choice, background = fit_for(look(*mixed, plain=1.0), 256)
    assert (choice.value, background) == ("pad", "#0ac81e")
    assert "50% of a typical picture" in choice.why
    assert fit_for(look(*[(256, 250)] * 5, plain=1.0), 256)[0].value == ""
    assert fit_for(look(*[(400, 300)] * 5, plain=1.0), "288x224")[0].value == ""


def test_modes() -> None:
    set_of_ten = look(*[(64, 64)] * 10)
    assert mode_for(set_of_ten).value == ""
    most = np.arange(10) > 2
    clear = dataclasses.replace(set_of_ten, is_transparent=most)
    assert mode_for(clear).value == "rgba"
    assert mode_for(dataclasses.replace(set_of_ten, is_grey=most)).value == ""
    assert mode_for(dataclasses.replace(set_of_ten, is_grey=~np.zeros(10, bool))).value == "grey"
    icons = dataclasses.replace(look(*[(400, 200), (200, 400)] * 5), is_transparent=most)
    assert fit_for(icons, 256)[0].value == "pad"


def test_mirror_and_its_reasons() -> None:
    assert mirror_for(500, Sides(0.55, 200), 0).value == "true"
    for choice in (
        mirror_for(30, None, 0),
        mirror_for(500, Sides(0.8, 200), 0),
        mirror_for(20_000, Sides(0.5, 200), 0),
    ):
        assert choice.value == "" and choice.why.startswith("no: ")
    assert "80% of 200" in mirror_for(500, Sides(0.8, 200), 0).why


@pytest.mark.parametrize(("second", "value"), [(59, "true"), (10, "")])
def test_classes_need_pictures(second: int, value: str) -> None:
    pictures = look(*[(64, 64)] * (60 + second))
    of = {name: int(index >= 60) for index, name in enumerate(pictures.names)}
    pictures = dataclasses.replace(pictures, labels=Labels(of, ("cat", "dog")))
    choice = classes_for(pictures)
    assert choice is not None and choice.value == value
    assert f"2 classes of {second} (dog) to 60" in choice.why
    assert classes_for(look((64, 64))) is None


def candidate(side: int, steps_s: tuple[float, ...] | None, device: str = "cpu") -> Candidate:
    trial = None if steps_s is None else Trial(steps_s, 8, 1000.0, problem="" if steps_s else "no")
    return Candidate(f"few-shot-{side}", side, side, 72_000, device, "fp32", 1, trial)


def test_the_largest_that_ends_in_time() -> None:
    # 72,000 images are 9,000 steps: an hour at 0.4 s
    found = [candidate(64, (0.4, 0.4)), candidate(128, (0.8, 1.6)), candidate(256, (8.0,))]
    assert found[1].hours == (2.0, 4.0)
    assert [choose(found, hours).side for hours in (0.5, 1, 3, 4, 100)] == [64, 64, 64, 128, 256]


def test_without_figures_the_device_decides() -> None:
    untried = [candidate(side, None) for side in (64, 128, 256, 512)]
    assert choose(untried, 24).side == 64
    assert choose([dataclasses.replace(one, device="cuda") for one in untried], 24).side == 256
    assert choose([candidate(64, (0.4,)), candidate(128, ())], 24).side == 64
    assert not choose([candidate(64, ())], 24).was_measured
