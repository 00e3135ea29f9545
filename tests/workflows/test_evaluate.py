"""Evaluation as a whole: a tiny run, a snapshot, and pictures against pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import projgan
from projgan.build import make_generator
from projgan.data.drawn import write_drawn_set
from projgan.errors import DataError, ResourceError, UsageError
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.figures import Figure
from projgan.snapshot import Snapshot
from projgan.storage import verify_folder
from projgan.workflows.evaluate import Evaluation, evaluate
from tiny import tiny_config, write_pictures


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))


def make_run(folder: Path, pictures: Path) -> Path:
    """A run as far as evaluation reads it: its config and one snapshot."""
    config = tiny_config()
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, path=str(pictures.resolve()))
    )
    (folder / "snapshots").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        snapshot = Snapshot(make_generator(config), config, images_seen=16)
    snapshot.save(folder / "snapshots" / "000000016")
    return folder


def by_metric(result: Evaluation, extractor: int = 0) -> dict[str, Figure]:
    return {figure.metric: figure for figure in result.looks[extractor].figures}


def test_a_run_against_its_own_pictures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", write_pictures(tmp_path / "photos", 14))
    result = projgan.evaluate(run, samples=10, metrics=["all"], device="cpu")
    found = by_metric(result)
    assert [result.kind, result.images_seen, result.reals] == ["run", 16, "photos"]
    assert (result.num_reals, result.num_fakes) == (14, 10)
    assert result.judge == "kid-lite1" and "below 1,000" in result.notes[0]
    assert all(figure.value is not None for figure in found.values()) and len(found) == 9
    assert found["ppl"].name == "ppl-lite1" and found["ppl"].value > 0
    # An untrained generator: far from noise, and all its pictures alike.
    assert found["fd"].value > 2 * found["fd"].floor
    assert found["diversity"].value < found["diversity"].floor
    written = json.loads((run / "evaluation.json").read_text())
    assert result.out == run / "evaluation.json" and written == json.loads(
        json.dumps(result.as_dict())
    )
    assert str(tmp_path) not in json.dumps(written)
    assert written["extractors"][0]["figures"][0]["name"] == "kid-lite1"
    again = evaluate(run, samples=10, metrics=["fd"], device="cpu")
    assert by_metric(again)["fd"].value == found["fd"].value


def test_a_snapshot_needs_reals_only_if_it_left_its_run(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 4)
    run = make_run(tmp_path / "run", photos)
    snapshot = run / "snapshots" / "000000016"
    result = evaluate(snapshot, samples=4, metrics=["fd"], device="cpu")
    assert result.out == run / "snapshots" / "000000016.evaluation.json"
    verify_folder(snapshot)  # it is as it was
    alone = tmp_path / "alone"
    snapshot.rename(alone)
    with pytest.raises(UsageError, match="which reals") as caught:
        evaluate(alone, samples=4, metrics=["fd"], device="cpu")
    assert "--data" in caught.value.next_command
    moved = evaluate(alone, data=photos, samples=4, metrics=["fd"], device="cpu")
    assert by_metric(moved) == by_metric(result)


def test_pictures_against_themselves_and_in_the_right_order(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    write_drawn_set(pictures, count=16, size=64)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(pictures.iterdir())[:8]:
        (few / path.name).write_bytes(path.read_bytes())
    itself = evaluate(pictures, data=pictures, device="cpu")
    found = by_metric(itself)
    assert found["fd"].value < 1e-6 * 16
    assert found["kid"].value <= 0
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name].value == 1.0
    assert found["diversity"].value == found["diversity"].floor
    assert itself.out is None and itself.kind == "pictures" and itself.images_seen is None
    assert itself.pictures.startswith("64 px") and "very same" in itself.notes[-1]
    part = by_metric(evaluate(few, data=pictures, metrics=["precision", "recall"], device="cpu"))
    whole = by_metric(evaluate(pictures, data=few, metrics=["precision", "recall"], device="cpu"))
    assert part["precision"].value == whole["recall"].value == 1.0


def test_reals_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, fakes = write_pictures(tmp_path / "photos", 6), tmp_path / "fakes"
    write_drawn_set(fakes, count=4, size=32)
    seen: list[int] = []
    look = Extractor._look

    def counted(self: Extractor, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return look(self, images)

    monkeypatch.setattr(Extractor, "_look", counted)
    results = [evaluate(fakes, data=photos, metrics=["fd"], device="cpu") for _ in range(2)]
    assert seen == [6, 4, 4]
    assert results[0] == results[1]


def test_each_extractor_has_its_own_figures(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 4)
    fakes = tmp_path / "fakes"
    write_drawn_set(fakes, count=6, size=32)
    out = tmp_path / "made" / "result.json"
    options: dict[str, Any] = {"data": photos, "extractors": ["lite1", "lite0"], "device": "cpu"}
    result = evaluate(fakes, metrics=["fd"], samples=5, out=out, **options)
    assert [look.figures[0].name for look in result.looks] == ["fd-lite1", "fd-lite0"]
    assert result.looks[0].figures[0].value != result.looks[1].figures[0].value
    assert result.num_fakes == 5 and result.judge == ""
    assert json.loads(out.read_text())["num_fakes"] == 5
    with pytest.raises(UsageError, match="exists already"):
        evaluate(fakes, metrics=["fd"], out=out, **options)
    evaluate(fakes, metrics=["fd"], out=out, overwrite=True, **options)
    assert json.loads(out.read_text())["num_fakes"] == 6


def test_what_cannot_be_evaluated(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 4)
    empty = tmp_path / "empty"
    empty.mkdir()
    faults: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (DataError, "no picture", {"source": empty}),
        (DataError, "no picture", {"data": empty}),
        (DataError, "recall needs at least 6", {"metrics": ["recall"]}),
        (UsageError, "which reals", {"data": ""}),
        (UsageError, "no such run", {"source": tmp_path / "nowhere"}),
        (UsageError, "only 4 pictures", {"samples": 5}),
        (UsageError, "too few", {"samples": 1}),
        (UsageError, "unknown metric", {"metrics": ["fid"]}),
        (UsageError, "unknown extractor", {"extractors": ["vgg"]}),
        (UsageError, "which is not among", {"weights": {"clip": "file"}}),
        (ResourceError, "not on this machine", {"extractors": ["dinov2-small"]}),
    ]
    for kind, words, change in faults:
        options: dict[str, Any] = {"source": photos, "data": photos, "metrics": ["fd"]} | change
        with pytest.raises(kind, match=words):
            evaluate(**options, device="cpu")


def test_threads_are_put_back(tmp_path: Path) -> None:
    photos, before = write_pictures(tmp_path / "photos", 2), torch.get_num_threads()
    evaluate(photos, data=photos, metrics=["fd"], device="cpu", threads=before + 1)
    assert torch.get_num_threads() == before
