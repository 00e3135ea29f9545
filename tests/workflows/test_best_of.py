"""Best of n: with a discriminator that is planted, and with the one of a checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from command import projgan
from projgan.build import make_generator
from projgan.cli.main import run
from projgan.config.load import to_json
from projgan.config.schema import RunConfig
from projgan.discriminators.base import Discriminator
from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot
from projgan.training.checkpoint import save_checkpoint
from projgan.training.state import new_state
from projgan.workflows.best_of import choose
from projgan.workflows.judge import Judge, open_judge
from projgan.workflows.use import Wanted
from tiny import tiny_config


class Brightness(Discriminator):
    """Light pictures look real to it."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        return self.gain * images.flatten(1)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    config = tiny_config()
    generator = make_generator(config)
    with torch.no_grad():  # an untrained one makes nearly grey pictures
        for parameter in generator.parameters():
            parameter.mul_(1.5)
    return Snapshot(generator, config, images_seen=8)


def brightness(snapshot: Snapshot, seed: int) -> float:
    return float(snapshot.sample([seed]).mean())


def test_the_brightest_candidate_is_kept(snapshot: Snapshot) -> None:
    kept = choose(snapshot, Judge(Brightness()), Wanted([3, 8], None), best_of=4)
    for one, asked in zip(kept, (3, 8), strict=True):
        candidates = [asked + turn * 100_000 for turn in range(4)]
        values = [brightness(snapshot, seed) for seed in candidates]
        assert one.asked == asked
        assert one.seed == candidates[int(np.argmax(values))]
        assert one.logit == pytest.approx(max(values), abs=1e-3)
        assert one.mean_logit == pytest.approx(np.mean(values), abs=1e-3)


def test_more_candidates_lift_the_verdict(snapshot: Snapshot) -> None:
    """What it is for, as the judge itself measures it: brighter pictures, and more alike."""
    judge, wanted = Judge(Brightness()), Wanted(list(range(12)), None)
    plain = [brightness(snapshot, seed) for seed in wanted.seeds]
    two = [k.logit for k in choose(snapshot, judge, wanted, best_of=2)]
    eight = [k.logit for k in choose(snapshot, judge, wanted, best_of=8)]
    assert np.mean(plain) < np.mean(two) < np.mean(eight)
    assert all(a <= b + 1e-3 for a, b in zip(two, eight, strict=True))
    assert np.std(eight) < np.std(plain)


def make_run(folder: Path, config: RunConfig | None = None) -> Path:
    """A run folder as after no step: config, checkpoint, snapshot."""
    config = config or tiny_config()
    run = RunDir(folder)
    run.create()
    run.config.write_text(to_json(config), encoding="utf-8")
    state = new_state(config)
    save_checkpoint(run.checkpoints, state, config, fingerprint="", hashes={})
    Snapshot(state.generator_ema, config, images_seen=0).save(run.snapshot(0))
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def test_a_run_judges_with_its_own_heads(run_folder: Path) -> None:
    judge = open_judge(run_folder, device=torch.device("cpu"))
    assert judge.name == "step-00000000" and judge.images_seen == 0
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    discriminator = new_state(tiny_config()).discriminator.eval()
    with torch.no_grad():
        expected = discriminator(images).mean(dim=1)
    torch.testing.assert_close(judge(images), expected, rtol=1e-4, atol=1e-5)
    # Company does not count.
    torch.testing.assert_close(judge(images[2:3])[0], judge(images)[2], rtol=1e-4, atol=1e-5)
    inside = open_judge(run_folder / "snapshots" / "000000000", device=torch.device("cpu"))
    torch.testing.assert_close(inside(images), judge(images))


def test_transparent_pictures_lie_over_the_same_stripes() -> None:
    judge = Judge(Brightness())
    clear = torch.full((3, 4, 32, 32), -1.0)
    verdicts = judge(clear)
    assert verdicts.unique().numel() == 1
    clear[1, 3] = 1.0
    assert judge(clear)[1] == -1.0


def test_the_command_names_what_it_kept(run_folder: Path) -> None:
    words = ("sample", "run", "--seeds", "0-2", "--best-of", "3", "--out", "best", "--json")
    out, err = projgan(run_folder.parent, *words)
    result = json.loads(out)
    assert result["judge"] == "step-00000000" and "step-00000000" in err
    kept = [one["seed"] for one in result["kept"]]
    assert [seed % 100_000 for seed in kept] == [0, 1, 2]
    assert result["files"] == [f"best/seed{seed:06d}.png" for seed in kept]
    assert all(one["logit"] >= one["mean_logit"] for one in result["kept"])
    again = ["sample", str(run_folder), "--seeds", ",".join(map(str, kept))]
    assert run([*again, "--out", str(run_folder.parent / "again")]) == 0
    for seed in kept:
        name = f"seed{seed:06d}.png"
        one, other = (Image.open(run_folder.parent / place / name) for place in ("best", "again"))
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1


def test_grids_and_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_config(data__conditional="true", data__classes="oak,elm,ash")
    folder = make_run(tmp_path / "trees", config)
    words = ["sample", str(folder), "--seeds", "0-3", "--best-of", "2", "--json"]
    assert run([*words, "--out", str(tmp_path / "a.png"), "--grid"]) == 0
    kept = json.loads(capsys.readouterr().out)["kept"]
    assert [one["class_index"] for one in kept] == [0, 1, 2, 0]
    assert [one["seed"] % 3 for one in kept] == [0, 1, 2, 0]
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (64, 64)
    assert run([*words, "--out", str(tmp_path / "b"), "--class", "elm,ash"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["class_index"] for one in result["kept"]] == [1] * 4 + [2] * 4
    assert Path(result["files"][0]).name == f"class001-seed{result['kept'][0]['seed']:06d}.png"


def test_without_heads_nothing_is_chosen(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = run_folder.parent / "bare"
    shutil.copytree(run_folder / "snapshots" / "000000000", bare)
    out = run_folder.parent / "out"
    assert run(["sample", str(bare), "--best-of", "2", "--out", str(out)]) == 2
    message = capsys.readouterr().err
    assert "a snapshot alone has no heads" in message and "leave --best-of out" in message
    shutil.rmtree(run_folder / "checkpoints")
    assert run(["sample", str(run_folder), "--best-of", "2", "--out", str(out)]) == 2
    assert "no checkpoint" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--best-of", "1"), "at least 2"),
        (("--best-of", "2", "--seeds", "100000"), "too large"),
        (("--best-of", "2", "--mix-with", "1"), "--best-of"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run_folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(["sample", str(run_folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_damaged_checkpoint_is_not_used(run_folder: Path) -> None:
    target = next(run_folder.glob("checkpoints/step-*")) / "discriminator.safetensors"
    target.write_bytes(target.read_bytes()[:-1])
    with pytest.raises(Exception, match="none of 1 checkpoints is whole"):
        open_judge(run_folder, device=torch.device("cpu"))
    with pytest.raises(UsageError, match="snapshot alone"):
        open_judge(run_folder.parent, device=torch.device("cpu"))
