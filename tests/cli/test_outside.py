"""`--generator`, `--allow-code` and `--from` as a user types them, in processes of their own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from command import projgan
from projgan.cli.main import run
from projgan.generators import base
from tiny import tiny_arguments, write_pictures

MODULE = '''
"""A generator that is not part of projgan."""

from torch import Tensor, nn
from projgan import Generator

open("was-run", "a").write("x")


class Tiny(Generator):
    def __init__(self, *, z_dim: int, resolution: int, width: int) -> None:
        super().__init__(z_dim=z_dim, resolution=resolution)
        self.start = nn.Linear(z_dim, width * 4 * 4)
        self.to_image = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.start(z).view(len(z), -1, 4, 4)
        return self.to_image(nn.functional.interpolate(x, size=self.resolution))

    def stages(self):
        return [list(self.start.parameters())]
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, my_module.py, and a run of its generator."""
    folder = tmp_path_factory.mktemp("work")
    write_pictures(folder / "photos")
    (folder / "my_module.py").write_text(MODULE)
    words = tiny_arguments(training__images="16")
    said, _ = projgan(folder, "train", "photos", "--generator", "my_module:Tiny", *words)
    assert "projgan sample runs/photos --seeds 0-63 --grid --allow-code" in said
    assert (folder / "was-run").read_text() == "x"
    (folder / "was-run").unlink()
    return folder


def test_the_run_knows_its_generator(work: Path) -> None:
    for file in ("config.json", "snapshots/000000016/snapshot.json"):
        values = json.loads((work / "runs/photos" / file).read_text())
        assert values.get("config", values)["generator"]["name"] == "my_module:Tiny"


@pytest.fixture
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In that folder, for commands in this process; what they import and register is forgotten."""
    monkeypatch.chdir(work)
    monkeypatch.setenv("PROJGAN_CACHE", str(work / "cache"))
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))
    before = set(sys.modules)
    yield work
    for name in ("my_module", "broken", "later"):
        if name not in before:
            sys.modules.pop(name, None)


def says(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert run(list(words)) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_its_code_is_not_run_unasked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("sample", "runs/photos", "--seeds", "0-3", "--grid"),
        ("sample", "runs/photos", "--seeds", "0", "--mix-with", "1"),
        ("interpolate", "runs/photos", "--frames", "4"),
        ("resume", "runs/photos", "--images", "20"),
    ):
        said = says(capsys, 9, *words)
        assert "my_module:Tiny" in said and "--allow-code" in said and len(said.splitlines()) <= 6
    (here / "theirs.yaml").write_text("generator: {name: 'my_module:Tiny'}\n")
    words = (
        "train",
        "photos",
        "--config",
        "theirs.yaml",
        *tiny_arguments(),
        "--out",
        "runs/theirs",
    )
    assert "--allow-code" in says(capsys, 9, *words)
    assert not (here / "was-run").exists()
    assert not any((here / name).exists() for name in ("samples.png", "walk.gif", "runs/theirs"))


def test_its_code_is_run_when_asked(work: Path) -> None:
    projgan(work, "sample", "runs/photos", "--seeds", "0-3", "--grid", "--allow-code")
    with Image.open(work / "samples.png") as grid:
        assert grid.size == (64, 64)
    words = ("--images", "20", "--allow-code", "--json")
    out, _ = projgan(work, "resume", "runs/photos", *words)
    assert json.loads(out)["images_seen"] == 20


def test_films_and_configs_with_leave(here: Path) -> None:
    film = ("interpolate", "runs/photos", "--frames", "4", "--out", "asked.gif", "--allow-code")
    assert run(list(film)) == 0
    with Image.open(here / "asked.gif") as frames:
        assert frames.size == (32, 32)
    sys.modules.pop("my_module")
    (here / "ours.yaml").write_text("generator: {name: 'my_module:Tiny'}\n")
    words = ("train", "photos", "--config", "ours.yaml", *tiny_arguments(training__images="4"))
    assert run([*words, "--out", "runs/ours", "--allow-code"]) == 0


def test_from_another_folder_it_says_what_is_missing(work: Path, tmp_path: Path) -> None:
    run_folder = str(work / "runs/photos")
    _, said = projgan(tmp_path, "sample", run_folder, "--seeds", "0", "--allow-code", code=2)
    assert "needs the module my_module" in said and str(tmp_path) in said
    assert "the folder that has my_module.py" in said


def test_a_broken_module_is_called_the_user_s(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.py").write_text("from projgan import Generator\n\nx = undefined\n")
    words = ("train", "photos", *tiny_arguments(training__images="4"), "--out", "runs/broken")
    said = says(capsys, 2, *words, "--generator", "broken:Tiny")
    assert "the generator's own code failed (broken:Tiny): NameError" in said
    assert f"{here / 'broken.py'}, line 3" in said
    assert not (here / "runs/broken").exists()
    # One that passes the trial, which looks at it in evaluation, and fails in training.
    (here / "later.py").write_text(
        MODULE.replace("x = self.start", "assert not self.training, 'mine'\n        x = self.start")
    )
    said = says(capsys, 2, *words, "--generator", "later:Tiny")
    assert "failed (later:Tiny): AssertionError: mine" in said


def test_from_starts_where_another_run_is_without_its_code(work: Path, tmp_path: Path) -> None:
    """Weights are read without the module: here they fit nothing but the heads."""
    (work / "was-run").unlink(missing_ok=True)
    words = ("train", "photos", "--from", "runs/photos", *tiny_arguments(training__images="4"))
    frozen = ("--set", "training.freeze_heads=1", "--set", "training.freeze_generator=1")
    projgan(work, *words, *frozen, "--out", str(tmp_path / "run"))
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["transfer"]["source"].startswith(str(work / "runs/photos/checkpoints/step-"))
    assert config["training"]["freeze_heads"] == config["training"]["freeze_generator"] == 1
    first = json.loads((tmp_path / "run/history.jsonl").read_text().splitlines()[0])
    assert first["event"] == "transfer" and first["discriminator_taken"] > 0
    assert not (work / "was-run").exists()


def test_a_source_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("train", "photos", "--from", "nowhere", *tiny_arguments(), "--out", "runs/nowhere")
    assert "no such folder" in says(capsys, 2, *words)
    assert not (here / "runs/nowhere").exists()


def test_the_guide_s_generator_trains(work: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "Flat" in block]
    (work / "flat.py").write_text(code)
    words = tiny_arguments(training__images="8")
    projgan(work, "train", "photos", "--generator", "flat:Flat", *words, "--out", "runs/flat")
    with Image.open(work / "runs/flat/samples/000000008.png") as grid:
        colours = grid.getcolors(grid.width * grid.height)
        assert colours is not None and len(colours) > 100
