"""G5: damage to any file of a checkpoint is seen before it is used, and nothing is lost over it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.messages import Message, complaints_about
from faults.runs import CONFIGS, StopAt, Straight, unlike
from faults.score import Score, caught_by, size, stream
from notes import Notes
from projgan import storage
from projgan.errors import CheckpointError, ProjganError, StoppedBySignal
from projgan.training import checkpoint as checkpoint_module
from projgan.training.checkpoint import find_latest
from projgan.workflows.train import resume, train

pytestmark = pytest.mark.faults


def _flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _flip_near_the_start(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(min(64, len(data)))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def _zeros(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data))
    end = min(len(data), start + 4096)
    data[start:end] = bytes(end - start)
    if bytes(data) == path.read_bytes():
        data[start] ^= 0xFF
    path.write_bytes(data)


def _longer(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 64)) + b"x")


def _remove(path: Path, rng: random.Random) -> None:
    path.unlink()


def _empty(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def _other_content(path: Path, rng: random.Random) -> None:
    """What lies in another checkpoint under this name, as a crossed sector would show it."""
    older = (path.parent.parent / "step-00000002" / path.name).read_bytes()
    if older == path.read_bytes():  # the config, and the list of pictures
        _flip(path, rng)
    else:
        path.write_bytes(older)


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link_to_nothing(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("nothing")


def _pipe(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _renamed(path: Path, rng: random.Random) -> None:
    path.rename(path.with_name(path.name + "~"))


DAMAGES = (
    _flip, _flip, _flip, _flip_near_the_start, _cut, _cut, _zeros, _longer, _remove, _empty,
    _other_content, _folder, _link_to_nothing, _pipe, _renamed,
)  # fmt: skip


@pytest.fixture(scope="module")
def stopped(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped in step 7, with checkpoints of steps 6 and 7; the one of step 2 that
    it once had lies beside them."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS["shared"], watch=StopAt(2))
    shutil.copytree(run / "checkpoints/step-00000002", run.parent / "step-00000002")
    with pytest.raises(StoppedBySignal):
        resume(run, watch=StopAt(7))
    return run


@pytest.fixture
def checkpoints(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoints, to be damaged; with those of steps 2, 6 and 7."""
    root = tmp_path / "checkpoints"
    shutil.copytree(stopped / "checkpoints", root)
    shutil.copytree(stopped.parent / "step-00000002", root / "step-00000002")
    return root


def state_of(root: Path) -> dict[str, str]:
    """Everything below a folder, with digests of plain files."""
    found = {}
    for path in sorted(root.rglob("*")):
        plain = path.is_file() and not path.is_symlink()
        found[path.relative_to(root).as_posix()] = (
            hashlib.sha256(path.read_bytes()).hexdigest() if plain else "no file"
        )
    return found


def _one_damage(root: Path, path: Path, damage: Callable[..., None], rng: random.Random) -> str:
    """Damage one file, look for the newest checkpoint, and repair it: what was wrong then."""
    whole = path.read_bytes()
    damage(path, rng)
    before = {path.relative_to(root) for path in root.rglob("*")}
    try:
        latest, problems = find_latest(root)
    except ProjganError as error:
        return f"it ends with {error}"
    except OSError as error:
        return f"it ends with {type(error).__name__}: {error}"
    finally:
        lost = before - {path.relative_to(root) for path in root.rglob("*")}
        for odd in (path, path.with_name(path.name + "~")):
            if odd.is_dir() and not odd.is_symlink():
                odd.rmdir()
            elif odd.exists() or odd.is_symlink():
                odd.unlink()
        path.write_bytes(whole)
    if lost:
        return f"{sorted(map(str, lost))} lost"
    if latest is None or latest.folder.name != "step-00000006":
        return f"{latest and latest.folder.name} would be used"
    if len(problems) != 1 or "step-00000007 is damaged" not in problems[0]:
        return f"it says {problems}"
    return ""


def _sweep(root: Path, count: int, seed: str) -> Iterator[tuple[str, list[str]]]:
    rng = stream(seed)
    files = sorted((root / "step-00000007").iterdir())
    cases = [(path, damage) for path in files for damage in DAMAGES]
    rng.shuffle(cases)
    for path, damage in (cases * (count // len(cases) + 1))[:count]:
        complaint = _one_damage(root, path, damage, rng)
        yield f"{damage.__name__.strip('_')} of {path.name}", [complaint] if complaint else []


def test_every_damage_is_seen(checkpoints: Path, score: Score) -> None:
    """G5 corruption."""
    assert len(list((checkpoints / "step-00000007").iterdir())) == 9
    before = state_of(checkpoints)
    for name, complaints in _sweep(checkpoints, size(500, 45), "corruption"):
        score.case(name, complaints)
    latest, problems = find_latest(checkpoints)
    assert latest is not None and latest.folder.name == "step-00000007" and not problems
    assert state_of(checkpoints) == before


def test_a_damaged_run_resumes_from_the_one_before(
    stopped: Path, straight: Straight, tmp_path: Path, score: Score
) -> None:
    """G5 corruption, by real resumes."""
    rng = stream("resumes")
    names = sorted(path.name for path in (stopped / "checkpoints/step-00000007").iterdir())
    for number in range(size(15, 1)):
        run = tmp_path / f"run-{number}"
        shutil.copytree(stopped, run)
        path = run / "checkpoints/step-00000007" / names[number % len(names)]
        damage = (_flip, _cut, _remove, _folder, _pipe)[number % 5]
        damage(path, rng)
        watch = Notes()
        resume(run, watch=watch)
        told = any("step-00000007 is damaged" in note for note in watch.notes)
        complaints = unlike(straight("shared"), run) + ([] if told else ["nothing was said"])
        score.case(f"{damage.__name__.strip('_')} of {path.name}", complaints)


def test_with_no_whole_checkpoint_nothing_is_touched(
    stopped: Path, tmp_path: Path, score: Score
) -> None:
    """G5 corruption, of all checkpoints."""
    rng = stream("all")
    for damage in (_flip, _cut, _remove, _folder, _link_to_nothing)[: size(5, 3)]:
        run = tmp_path / f"run-{damage.__name__}"
        shutil.copytree(stopped, run)
        for folder in (run / "checkpoints").glob("step-*"):
            damage(folder / rng.choice(("generator.safetensors", "manifest.json")), rng)
        before = state_of(run)
        complaints = ["it went on"]
        try:
            resume(run)
        except ProjganError as error:
            complaints = complaints_about(Message.of(error), code=4, culprit="checkpoints")
        if state_of(run) != before | {".lock": state_of(run)[".lock"]}:
            complaints.append("the run folder was changed")
        score.case(damage.__name__.strip("_"), complaints)


def _no_checksum(patch: pytest.MonkeyPatch) -> None:
    """Sizes alone are compared."""
    right = storage.sha256_of

    def believe(path: Path) -> str:
        manifest = path.parent / storage.MANIFEST
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(manifest.read_text())["files"][path.name][1])
        return right(path)

    patch.setattr(storage, "sha256_of", believe)


def _no_verification(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(storage, "verify_folder", lambda folder: None)


def _missing_files_unnoticed(patch: pytest.MonkeyPatch) -> None:
    right = storage.verify_folder

    def verify(folder: Path) -> None:
        try:
            right(folder)
        except CheckpointError as error:
            if "missing or foreign" not in error.what:
                raise

    patch.setattr(storage, "verify_folder", verify)


def _damaged_ones_deleted(patch: pytest.MonkeyPatch) -> None:
    right = checkpoint_module.open_checkpoint

    def open_checkpoint(folder: Path) -> checkpoint_module.Checkpoint:
        try:
            return right(folder)
        except CheckpointError:
            shutil.rmtree(folder)
            raise

    patch.setattr(checkpoint_module, "open_checkpoint", open_checkpoint)


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "no checksum": _no_checksum,
    "no verification": _no_verification,
    "missing files unnoticed": _missing_files_unnoticed,
    "damaged ones deleted": _damaged_ones_deleted,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_caught(
    checkpoints: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """A verification with one mistake fails the same sweep."""
    MUTANTS[name](monkeypatch)
    monkeypatch.setitem(globals(), "DAMAGES", DAMAGES[:4])  # no pipes, which mutants wait for
    sweep = _sweep(checkpoints, 140, f"corruption {name}")
    with contextlib.closing(sweep), contextlib.suppress(OSError):
        assert any(complaints for _, complaints in sweep)
    caught_by(name, record_property, "G5 corruption")
