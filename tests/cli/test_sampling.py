"""Truncation, noise and mixing on the command line, on snapshots that never trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import cells, differ
from projgan.build import make_generator
from projgan.cli.main import run
from projgan.snapshot import Snapshot
from tiny import make_loud, tiny_config

SIDE = 32


@pytest.fixture(autouse=True)
def snapshots(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder with a snapshot of each generator, in which the commands run."""
    for name in ("stylegan2", "fastgan", "fastgan-lite"):
        config = tiny_config(generator__name=name)
        snapshot = Snapshot(make_loud(make_generator(config)), config, images_seen=8)
        snapshot.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def sample(*words: str, out: str) -> np.ndarray:
    assert run(["sample", *words, "--grid", "--out", out, "--device", "cpu"]) == 0
    return cells(out, SIDE)


def test_truncation_has_an_effect() -> None:
    seeds = ("stylegan2", "--seeds", "0-3")
    full = sample(*seeds, out="full.png")
    half = sample(*seeds, "--truncation-psi", "0.5", out="half.png")
    cut = sample(*seeds, "--truncation-psi", "0.5", "--truncation-cutoff", "2", out="cut.png")
    mean = sample(*seeds, "--truncation-psi", "0", out="mean.png")
    assert differ(full, half) and differ(half, cut) and differ(cut, full)
    assert not differ(mean, np.broadcast_to(mean[:1, :1], mean.shape))
    assert not differ(sample(*seeds, "--truncation-psi", "1", out="one.png"), full)


@pytest.mark.parametrize("name", ["stylegan2", "fastgan"])
def test_noise_has_an_effect(name: str) -> None:
    seeds = (name, "--seeds", "0-3")
    plain = sample(*seeds, out="plain.png")
    modes = {mode: sample(*seeds, "--noise", mode, out=f"{mode}.png") for mode in MODES}
    assert not differ(modes["const"], plain)
    assert differ(modes["random"], plain) and differ(modes["none"], plain)
    assert run(["sample", name, "--seeds", "2", "--noise", "random", "--out", "one"]) == 0
    with Image.open("one/seed000002.png") as image:
        assert not differ(np.asarray(image).astype(int), modes["random"][1, 0])


MODES = ("const", "random", "none")


def test_a_truncated_film_differs() -> None:
    words = ["interpolate", "stylegan2", "--seeds", "0-1", "--frames", "4"]
    assert run([*words, "--out", "full.gif"]) == 0
    assert run([*words, "--out", "half.gif", "--truncation-psi", "0.3"]) == 0
    assert Path("full.gif").read_bytes() != Path("half.gif").read_bytes()


def test_mixing_makes_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", "stylegan2", "--seeds", "0-1", "--mix-with", "7-9"]
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": ["mix.png"]}
    table = cells("mix.png", SIDE)
    assert table.shape[:2] == (3, 4)
    assert (table[0, 0] == 255).all()
    own = sample("stylegan2", "--seeds", "0-1", out="own.png").reshape(2, SIDE, SIDE, 3)
    others = sample("stylegan2", "--seeds", "7-9", out="others.png").reshape(4, SIDE, SIDE, 3)[:3]
    assert not differ(table[1:, 0], own)
    assert not differ(table[0, 1:], others)
    for row in range(2):
        for column in range(3):
            assert differ(table[row + 1, column + 1], own[row])
            assert differ(table[row + 1, column + 1], others[column])
    assert run([*words, "--mix-layers", "0-7", "--out", "all.png"]) == 0
    replaced = cells("all.png", SIDE)[1:, 1:]
    assert not differ(replaced, np.broadcast_to(others, replaced.shape))
    assert run([*words, "--mix-layers", "0-3", "--out", "named.png"]) == 0
    assert not differ(cells("named.png", SIDE), table)
    assert run([*words, "--truncation-psi", "0", "--out", "mean.png"]) == 0
    mean = cells("mean.png", SIDE)[1:]
    assert not differ(mean, np.broadcast_to(mean[:1, :1], mean.shape))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sample", "fastgan", "--truncation-psi", "0.7"), "fastgan has no truncation"),
        (("sample", "fastgan-lite", "--truncation-psi", "1"), "fastgan-lite has no truncation"),
        (("sample", "fastgan-lite", "--truncation-cutoff", "2"), "has no truncation"),
        (("interpolate", "fastgan", "--truncation-psi", "0.7"), "fastgan has no truncation"),
        (("sample", "fastgan-lite", "--noise", "none"), "fastgan-lite has no noise"),
        (("sample", "fastgan", "--mix-with", "1"), "fastgan has no styles"),
        (("sample", "stylegan2", "--truncation-psi", "70"), "between -2 and 2"),
        (("sample", "stylegan2", "--truncation-psi", "much"), "--truncation-psi"),
        (("sample", "stylegan2", "--truncation-cutoff", "2"), "without a truncation psi"),
        (("sample", "stylegan2", "--noise", "loud"), "--noise"),
        (("sample", "stylegan2", "--mix-layers", "0"), "without --mix-with"),
        (("sample", "stylegan2", "--mix-with", "1", "--columns", "2"), "--columns"),
        (("sample", "stylegan2", "--mix-with", "1", "--mix-layers", "6-8"), "no layer 8"),
        (("sample", "stylegan2", "--mix-with", "1", "--mix-layers", "all"), "read the layers"),
        (("sample", "stylegan2", "--mix-with", "1", "--noise", "random"), "const or none"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], snapshots: Path, words: tuple[str, ...], message: str
) -> None:
    before = sorted(snapshots.rglob("*"))
    assert run([*words, "--device", "cpu", "--out", "new/x.gif"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""
    assert len(captured.err.splitlines()) <= 6
    assert sorted(snapshots.rglob("*")) == before


def test_a_table_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mix.png").write_text("keep")
    words = ["sample", "stylegan2", "--seeds", "0", "--mix-with", "1"]
    assert run(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert Path("mix.png").read_text() == "keep"
    assert run([*words, "--overwrite"]) == 0
    assert cells("mix.png", SIDE).shape[:2] == (2, 2)
