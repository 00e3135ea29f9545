"""A conditional run as a whole: what it saves, how it resumes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from notes import Notes
from projgan.data.drawn import write_drawn_set
from projgan.data.prepare import open_cached
from projgan.errors import DataError, UsageError
from projgan.generators import FastGAN, Generator, base, register
from projgan.images import to_uint8
from projgan.snapshot import Snapshot
from projgan.workflows.demo import demo
from projgan.workflows.distance import Lite1Distance
from projgan.workflows.sitting import TrainResult
from projgan.workflows.train import plan, resume, train
from tiny import tiny_options

KINDS = ["cosmos", "dahlia", "daisy", "primrose", "star"]
SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "flowers"
    write_drawn_set(folder, count=20, size=SIDE, by_kind=True)
    assert sorted(path.name for path in folder.iterdir()) == KINDS
    return folder


def options(**changes: str) -> dict[str, str]:
    settings = {"data__conditional": "true", "training__grid_size": "9", "training__images": "16"}
    return tiny_options(**(settings | changes))


@pytest.fixture(scope="module")
def trained(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(flowers, out=tmp_path_factory.mktemp("run") / "run", options=options())


def cells(path: Path) -> np.ndarray:
    """(rows, columns, 32, 32, 3) of a grid."""
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(int)
    rows, columns = (length // SIDE for length in pixels.shape[:2])
    return pixels.reshape(rows, SIDE, columns, SIDE, 3).swapaxes(1, 2)


def test_the_plan_settles_the_classes(flowers: Path) -> None:
    config = plan(flowers, options=options())
    assert config.data.classes == tuple(KINDS)
    assert plan(flowers, options=tiny_options()).data.classes == ()


def test_config_and_snapshot_hold_the_classes(trained: TrainResult) -> None:
    config = json.loads((trained.run / "config.json").read_text())
    about = json.loads((trained.run / "snapshots/000000016/snapshot.json").read_text())
    for data in (config["data"], about["config"]["data"]):
        assert (data["conditional"], data["classes"]) == (True, KINDS)
    snapshot = Snapshot.load(trained.run, device="cpu")
    assert snapshot.class_names == tuple(KINDS)
    assert snapshot.generator.num_classes == 5
    assert snapshot.generator.embed.weight.shape == (5, 16)


def test_grids_have_a_row_a_class(trained: TrainResult, flowers: Path) -> None:
    pictures = {
        kind: [np.asarray(Image.open(path)).astype(int) for path in (flowers / kind).iterdir()]
        for kind in KINDS
    }
    real = cells(trained.run / "samples/reals.png")
    assert real.shape[:2] == (3, 3)
    for row, kind in zip(real, KINDS, strict=False):
        for cell in row:
            assert any((cell == picture).all() for picture in pictures[kind])
    snapshot = Snapshot.load(trained.run, device="cpu")
    images = snapshot.sample(range(9), classes=[0, 0, 0, 1, 1, 1, 2, 2, 2])
    expected = to_uint8(images).permute(0, 2, 3, 1).int().numpy()
    shown = cells(trained.run / "samples/000000016.png").reshape(9, SIDE, SIDE, 3)
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"training__step": "alternating", "training__micro_batch": "2"},
        {"generator__name": "stylegan2", "data__mirror": "true"},
    ],
    ids=["alternating", "styles"],
)
def test_resumed_equals_never_stopped(
    flowers: Path, tmp_path: Path, changes: dict[str, str]
) -> None:
    chosen = options(training__images="24", **changes)
    train(flowers, out=tmp_path / "straight", options=chosen)
    train(flowers, out=tmp_path / "stopped", options=chosen, images=8)
    watch = Notes()
    resume(tmp_path / "stopped", options={"training.images": "24"}, watch=watch)
    assert any(note.startswith("5 classes: cosmos (") for note in watch.notes)
    name = "checkpoints/step-00000006"
    for file in (tmp_path / "straight" / name).glob("*.safetensors"):
        first, second = load_file(file), load_file(tmp_path / "stopped" / name / file.name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), file.name
    grids = [tmp_path / run / "samples/000000024.png" for run in ("straight", "stopped")]
    assert grids[0].read_bytes() == grids[1].read_bytes()


@pytest.fixture
def stopped(trained: TrainResult, flowers: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the pictures, and of a run of them."""
    shutil.copytree(flowers, tmp_path / "flowers")
    shutil.copytree(trained.run, tmp_path / "run")
    return tmp_path / "flowers", tmp_path / "run"


@pytest.mark.parametrize("accepted", [False, True])
def test_other_classes_are_refused_on_resume(stopped: tuple[Path, Path], accepted: bool) -> None:
    pictures, run = stopped
    (pictures / "daisy").rename(pictures / "rose")
    before = (run / "config.json").read_bytes()
    more = {"training.images": "24", "data.path": str(pictures)}
    with pytest.raises(DataError, match="new: rose; gone: daisy"):
        resume(run, options=more, accept_data_change=accepted)
    assert (run / "config.json").read_bytes() == before


def test_other_pictures_of_the_same_classes_may_be_accepted(stopped: tuple[Path, Path]) -> None:
    pictures, run = stopped
    next((pictures / "daisy").iterdir()).unlink()
    more = {"training.images": "20", "data.path": str(pictures)}
    with pytest.raises(DataError, match="1 removed"):
        resume(run, options=more)
    assert resume(run, options=more, accept_data_change=True).images_seen == 20


def test_a_run_does_not_become_conditional_or_the_other_way(
    trained: TrainResult, flowers: Path, tmp_path: Path
) -> None:
    plain = train(flowers, out=tmp_path / "plain", options=tiny_options(training__images="8"))
    with pytest.raises(UsageError, match=r"data.conditional False -> True"):
        resume(plain.run, options={"data.conditional": "true"})
    changes = {"data.conditional": "false", "data.classes": ""}
    with pytest.raises(UsageError, match=r"data.conditional True -> False"):
        resume(trained.run, options=changes)


def one_class(folder: Path, flowers: Path) -> Path:
    shutil.copytree(flowers / "daisy", folder)
    labels = [[path.name, 0] for path in folder.iterdir()]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


def test_pictures_without_classes_are_refused_and_leave_no_run(
    flowers: Path, tmp_path: Path
) -> None:
    cases = [
        (flowers / "daisy", "have no classes"),
        (one_class(tmp_path / "one", flowers), "one class, '0'"),
    ]
    for pictures, message in cases:
        with pytest.raises(UsageError, match=message):
            train(pictures, out=tmp_path / "run", options=options())
        with pytest.raises(UsageError, match=message):
            plan(pictures, options=options())
    assert not (tmp_path / "run").exists()


def test_classes_of_a_dataset_json_with_a_gap(flowers: Path, tmp_path: Path) -> None:
    """Class 1 has no picture: it stays a class, but gets no row."""
    folder = tmp_path / "some"
    shutil.copytree(flowers / "daisy", folder)
    names = sorted(path.name for path in folder.iterdir())
    labels = [[name, 2 * (index % 2)] for index, name in enumerate(names)]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    watch = Notes()
    result = train(folder, out=tmp_path / "run", options=options(training__images="4"), watch=watch)
    assert any("1 (0)" in note for note in watch.notes)
    assert Snapshot.load(result.run, device="cpu").class_names == ("0", "1", "2")


def test_a_generator_without_classes_is_refused(
    flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))

    @register("plain-only")
    def build_plain(*, z_dim: int, resolution: int, width: int) -> Generator:
        return FastGAN(z_dim=z_dim, resolution=resolution, width=width, lite=True)

    with pytest.raises(UsageError, match="plain-only cannot be trained with classes"):
        train(flowers, out=tmp_path / "run", options=options(generator__name="plain-only"))
    assert not (tmp_path / "run").exists()


def test_the_distance_asks_for_the_classes_of_the_reals(
    trained: TrainResult, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_cached(plan(flowers, options=options()).data)
    asked: list[int] = []
    images = Snapshot.images

    def listen(self: Snapshot, latents: torch.Tensor, **options: object) -> object:
        asked.extend(options["classes"].tolist())  # type: ignore[attr-defined]
        return images(self, latents, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Snapshot, "images", listen)
    snapshot = Snapshot.load(trained.run, device="cpu")
    assert Lite1Distance(data, limit=10)(snapshot)["fd_lite1"] > 0
    assert data.labels is not None
    assert asked == data.labels[::2]
    assert set(asked) == set(range(5))  # a set sorted by class, and yet all of them


def test_a_conditional_demo_draws_and_shows_its_kinds(tmp_path: Path) -> None:
    result = demo(tmp_path / "demo", count=24, options=options(training__images="8"))
    assert sorted(path.name for path in result.pictures.iterdir()) == KINDS
    assert cells(result.grid).shape[:2] == (5, 8)
    assert result.film.is_file()
