"""Pictures that are no colour squares, as a user makes them: trained, resumed, sampled, filmed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command import in_this_process, projgan
from projgan.cli.main import run
from projgan.data.drawn import write_drawn_set
from projgan.snapshot import Snapshot
from tiny import tiny_options


def settings(**changes: str) -> list[str]:
    chosen = tiny_options(**changes)
    del chosen["data.resolution"]
    return [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    write_drawn_set(folder / "flowers", count=6, size=48, transparent=True)
    return folder


@pytest.mark.parametrize(
    ("mode", "resolution", "generator", "film", "pil_mode"),
    [
        ("rgba", "96x64", "fastgan-lite", "walk.webp", "RGBA"),
        ("grey", "64x96", "stylegan2", "walk.gif", "L"),
    ],
)
def test_from_pictures_to_a_film(
    work: Path, mode: str, resolution: str, generator: str, film: str, pil_mode: str
) -> None:
    start = projgan if mode == "rgba" else in_this_process
    width, height = (int(side) for side in resolution.split("x"))
    name = f"runs/{mode}"
    shape = ["--resolution", resolution, "--mode", mode, "--fit", "pad"]
    _, said = start(
        work, "train", "flowers", "--out", name, *shape,
        *settings(generator__name=generator, training__images="16"),
    )  # fmt: skip
    assert f"at {resolution} px, {mode} on cpu" in said and "6 transparent" in said
    out, _ = start(work, "resume", name, "--images", "24", "--json")
    assert json.loads(out)["images_seen"] == 24

    start(work, "sample", name, "--seeds", "0-2", "--out", f"{mode}-samples")
    start(work, "interpolate", name, "--seeds", "0-1", "--frames", "4", "--out", film)
    config = json.loads((work / name / "config.json").read_text())
    assert (config["data"]["resolution"], config["data"]["mode"]) == (resolution, mode)
    assert config["features"]["input_size"] == 128
    sizes = {
        f"{mode}-samples/seed000002.png": (width, height),
        f"{name}/samples/reals.png": (2 * width, 2 * height),
        f"{name}/samples/000000024.png": (2 * width, 2 * height),
    }
    for path, size in sizes.items():
        with Image.open(work / path) as image:
            assert (image.mode, image.size) == (pil_mode, size), path
    with Image.open(work / film) as image:
        assert image.size == (width, height)
    with Image.open(work / name / "samples/reals.png") as image:
        if mode == "rgba":  # the flowers stand on nothing, and so does their padding
            alpha = np.asarray(image)[:, :, 3]
            assert (alpha == 255).any() and (alpha[:height, :8] == 0).all()
    images = Snapshot.load(work / name, device="cpu").sample(range(3))
    assert images.shape == (3, {"rgba": 4, "grey": 1}[mode], height, width)
    assert bool(torch.isfinite(images).all())


@pytest.fixture
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(work)
    monkeypatch.setenv("PROJGAN_CACHE", str(work / "cache"))
    return work


def test_a_preview_shows_backgrounds(here: Path) -> None:
    words = ["train", "flowers", "--resolution", "64x32", "--mode", "rgba", "--fit", "pad"]
    words += settings(augment__policy="")
    assert run([*words, "--preview-augment", "preview.png"]) == 0
    with Image.open("preview.png") as image:
        assert (image.mode, image.size) == ("RGB", (8 * 64, 6 * 32))
        corners = np.asarray(image)[1::32, 1::64].astype(int)
    assert (corners[:, 0] == 255).all()
    assert len(np.unique(corners[:, 1:].reshape(-1, 3), axis=0)) == 42


def test_prepared_sets_and_zips(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--resolution", "64x32", "--mode"]
    assert run(["prepare", "flowers", "--out", "set", *shape, "rgba", "--json"]) == 0
    assert run(["train", "set", *shape, "grey", *settings()]) == 3
    assert "use --resolution 64x32 --mode rgba" in capsys.readouterr().err
    before = sorted(here.iterdir())
    assert run(["prepare", "flowers", "--out", "set.zip", *shape, "rgba"]) == 2
    said = capsys.readouterr().err
    assert "no transparency" in said and "--out set " in said
    assert sorted(here.iterdir()) == before
    assert run(["prepare", "flowers", "--out", "grey.zip", *shape, "grey"]) == 0


def test_an_opaque_set_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drawn_set(here / "opaque", count=2, size=48)
    assert run(["prepare", "opaque", "--dry-run", "--mode", "rgba", "--resolution", "32"]) == 0
    assert "no picture has transparency" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resolution", "96x90"), "use --resolution 128"),
        (("--resolution", "1024x64"), "4 times the other"),
        (("--mode", "cmyk"), "cmyk"),
        (("--resolution", "64x32", "--set", "augment.policy=rotate90"), "rotate90 is for squares"),
    ],
)
def test_what_is_not_offered_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(["train", "flowers", "--out", "never", *settings(), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) <= 6
    assert not (here / "never").exists()


def test_resume_cannot_change_the_kind(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "flowers", "--out", "runs/kind", "--mode", "grey", "--resolution", "32"]
    assert run([*words, *settings(training__images="8")]) == 0
    capsys.readouterr()
    assert run(["resume", "runs/kind", "--set", "data.mode=rgba"]) == 2
    assert "data.mode 'grey' -> 'rgba'" in capsys.readouterr().err
