"""`projgan nearest`: who is nearest to whom, and the picture of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import projgan
from projgan.build import make_generator
from projgan.cli.main import run
from projgan.config.load import override, to_json
from projgan.data.drawn import write_drawn_set
from projgan.errors import DataError, UsageError
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot
from projgan.workflows.nearest import find_nearest
from tiny import tiny_config

COUNT = 8


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Training pictures in photos/, and copies of them in copies/: two mirrored, all with noise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    stream = np.random.default_rng(0)
    (tmp_path / "copies").mkdir()
    for index, path in enumerate(write_drawn_set(tmp_path / "photos", count=COUNT, size=64)):
        pixels = np.asarray(Image.open(path).convert("RGB"), float)
        pixels = pixels[:, ::-1] if index < 2 else pixels
        noisy = (pixels + stream.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "copies" / f"sample-{index}.png")
    return tmp_path


def make_run(folder: Path) -> Path:
    config = override(tiny_config(), {"data.path": "photos"})
    where = RunDir(folder)
    where.create()
    where.config.write_text(to_json(config), encoding="utf-8")
    Snapshot(make_generator(config), config, images_seen=0).save(where.snapshot(0))
    return folder


def test_a_folder_of_copies(workplace: Path) -> None:
    out, _ = projgan(workplace, "nearest", "copies", "--data", "photos", "--shown", "5", "--json")
    result = json.loads(out)
    assert result["score"] >= 0.95
    assert result["num_samples"] == result["num_pictures"] == COUNT
    assert result["scores"]["thumbnails"] >= 0.95
    for pair in result["pairs"]:
        index = int(pair["sample"].removeprefix("sample-").removesuffix(".png"))
        near = pair["thumbnails"]
        assert near["picture"] == f"drawn-{index:05d}.png" and near["index"] == index
        assert near["is_copy"] and near["closeness"] < near["threshold"]
        if index < 2:
            assert near["is_mirrored"]
    ranks = [
        min(pair[space]["closeness"] / pair[space]["threshold"] for space in result["scores"])
        for pair in result["pairs"]
    ]
    assert ranks == sorted(ranks)
    with Image.open(workplace / "pairs.png") as sheet:
        width, height = sheet.size  # two rows of three, of which five are used
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert width > 1200 and 350 < height < 500
    assert (pixels[-150:, -350:] == 255).all()
    red = (pixels[:, :, 0] > 150) & (pixels[:, :, 1] < 80) & (pixels[:, :, 2] < 80)
    assert red.any(), "copies are marked"


def test_a_run_knows_its_pictures(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(workplace / "run")
    assert run(["nearest", "run", "--samples", "3", "--device", "cpu", "--out", "a.png"]) == 0
    said = capsys.readouterr().out
    assert "among 3 samples" in said and "8 training pictures" in said
    assert run(["nearest", "run", "--seeds", "5,9", "--out", "b.png", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {pair["sample"] for pair in result["pairs"]} == {"seed 5", "seed 9"}
    assert run(["nearest", "run", "--seeds", "5", "--out", "b.png"]) == 2
    assert "exist already" in capsys.readouterr().err
    inside = find_nearest("run/snapshots/000000000", out=Path("c.png"), seeds=[5])
    assert inside.num_pictures == COUNT


def test_what_cannot_be_compared(workplace: Path) -> None:
    with pytest.raises(UsageError, match="which pictures to compare with"):
        find_nearest("copies", out=Path("a.png"))
    with pytest.raises(UsageError, match="no seeds"):
        find_nearest("copies", data="photos", seeds=[1], out=Path("a.png"))
    with pytest.raises(UsageError, match="not both"):
        find_nearest("copies", data="photos", seeds=[1], samples=3, out=Path("a.png"))
    with pytest.raises(UsageError, match="at least 1"):
        find_nearest("copies", data="photos", samples=0, out=Path("a.png"))
    with pytest.raises(DataError):
        (workplace / "empty").mkdir()
        find_nearest("empty", data="photos", out=Path("a.png"))
    for path in sorted((workplace / "photos").iterdir())[2:]:
        path.unlink()
    with pytest.raises(DataError, match="2 training pictures; at least 3"):
        find_nearest("copies", data="photos", out=Path("a.png"))
    assert not Path("a.png").exists()
    snapshot = make_run(workplace / "run") / "snapshots" / "000000000"
    snapshot.rename(workplace / "bare")
    with pytest.raises(UsageError, match="--data FOLDER"):
        find_nearest("bare", out=Path("a.png"))
