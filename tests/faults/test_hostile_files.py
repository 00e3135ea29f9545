"""G9: files from strangers: configs, headers of weights, and zips that were bent until they break.

Each ends in a named error or is harmless; none in a traceback, none in a hang.
"""

from __future__ import annotations

import contextlib
import json
import random
import stat
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from faults.messages import Message, complaints_about
from faults.score import Score, caught_by, size, stream
from projgan import snapshot as snapshot_module
from projgan import storage
from projgan.build import make_generator
from projgan.config.load import load_config, to_json
from projgan.data.scan import open_source
from projgan.errors import ProjganError, UsageError
from projgan.snapshot import Snapshot
from tiny import tiny_config

pytestmark = pytest.mark.faults
SECONDS = 5.0
"""Of computing, for one file."""

LEAVES: tuple[Any, ...] = (
    None, True, -1, 0, 10**12, 1e308, "", "no", "NaN", "~", "../../x", "\x00", "é" * 300, [], {},
    [[[[]]]], {"a": {"b": 1}}, "!!python/object/apply:os.system ['true']", "*a", ".inf", "1e999",
)  # fmt: skip


def _bent_value(rng: random.Random, tree: dict[str, Any]) -> str:
    """A config with one value, name or section changed."""
    section = rng.choice(list(tree))
    way = rng.randrange(4)
    if way == 0 or not isinstance(tree[section], dict):
        tree[section] = rng.choice(LEAVES)
    elif way == 1:
        tree[section]["no_such_setting"] = 1
    else:
        tree[section][rng.choice(list(tree[section]))] = rng.choice(LEAVES)
    return json.dumps(tree)


def _bent_text(rng: random.Random, text: str) -> str:
    """A text with characters lost, doubled or put in."""
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(text) + 1)
        odd = rng.choice("{}[]:,&*!|>%@`\"'\t\n-#?\x07é") * rng.choice((1, 1, 1, 40))
        text = text[:place] + odd + text[place + rng.randrange(3) :]
    return text


BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
    ),
    "[" * 20_000,
    "training: {" * 2_000,
    "training:\n  batch: 4\n  batch: 8\n",
    "training: !!python/name:os.system\n",
    "a: &a\n  b: *a\n",
)  # fmt: skip


def _judge(act: Callable[[], object], *, code: int | tuple[int, ...], culprit: str) -> list[str]:
    """Run it: it may work, or say what is wrong, in time."""
    started = time.process_time()
    complaints: list[str] = []
    try:
        act()
    except ProjganError as error:
        complaints += complaints_about(Message.of(error), code=code, culprit=culprit)
    except Exception as error:
        complaints.append(f"{type(error).__name__}: {str(error)[:200]}")
    if time.process_time() - started > SECONDS:
        complaints.append(f"it took {time.process_time() - started:.0f} s")
    return complaints


def _configs(rng: random.Random, count: int) -> Iterator[str]:
    yield from BOMBS
    for _ in range(count - len(BOMBS)):
        text = to_json(tiny_config())
        yield _bent_value(rng, json.loads(text)) if rng.random() < 0.6 else _bent_text(rng, text)


def test_configs(tmp_path: Path, score: Score) -> None:
    """G9 configs."""
    file = tmp_path / "run.yaml"
    for number, text in enumerate(_configs(stream("configs"), size(300, 40))):
        file.write_text(text, encoding="utf-8")
        complaints = _judge(lambda: load_config(file=file), code=2, culprit="")
        score.case(f"config {number}: {text[:60]!r}", complaints)


def _header(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header says something wrong."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    body, name = data[8 + length :], rng.choice([key for key in header if key != "__metadata__"])
    way = rng.randrange(10)
    if way == 0:
        header[name]["shape"] = [rng.choice((-1, 0, 2**62, 10**9)), 7]
    elif way == 1:
        header[name]["data_offsets"] = [rng.randrange(10**6), rng.choice((0, 2**63, 5))]
    elif way == 2:
        header[name]["dtype"] = rng.choice(("F64", "Q1", "", 7, None))
    elif way == 3:
        header[rng.choice(("", "../x", "\x00", name + "2"))] = header.pop(name)
    elif way == 4:
        header[name] = rng.choice(LEAVES)
    elif way == 5:
        header |= {f"t{n}": header[name] for n in range(300)}
    text = json.dumps(header).encode()
    if way == 6:
        return struct.pack("<Q", rng.choice((0, 2**40, 2**63, 3))) + data[8:]
    if way == 7:
        text = text[: rng.randrange(len(text))]
    elif way == 8:
        text = b"[" * rng.randrange(1, 5000)
    elif way == 9:
        body = body[: rng.randrange(len(body))]
    return struct.pack("<Q", len(text)) + text + body


def _resealed(folder: Path, content: bytes) -> None:
    """Put a file of weights into a snapshot so that it verifies, as its maker could."""
    (folder / storage.MANIFEST).unlink()
    (folder / "generator.safetensors").write_bytes(content)
    storage._seal(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("made") / "snapshot"
    config = tiny_config()
    Snapshot(make_generator(config), config, images_seen=4).save(folder)
    return folder


def _load_bent(folder: Path, rng: random.Random, whole: bytes, count: int) -> Iterator[list[str]]:
    for _ in range(count):
        _resealed(folder, _header(rng, whole))
        complaints = _judge(lambda: Snapshot.load(folder), code=4, culprit=folder.name)
        yield complaints


def test_headers(made: Path, score: Score) -> None:
    """G9 headers."""
    whole = (made / "generator.safetensors").read_bytes()
    bent = _load_bent(made, stream("headers"), whole, size(300, 40))
    for number, complaints in enumerate(bent):
        score.case(f"header {number}", complaints)
    _resealed(made, whole)
    Snapshot.load(made)


def _bent_zip(rng: random.Random, path: Path) -> None:
    """A zip with a name, kind or content that no honest one has."""
    names = (
        "../x.png", "/x.png", "a/../../x.png", "C:\\x.png", "\\\\host\\x.png", "a\\..\\..\\x.png",
        "x.png/", "a" * 300 + ".png", "é.png", "X.PNG", "x.png", ".hidden.png", "con.png",
    )  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(rng.randrange(1, 4)):
            info = zipfile.ZipInfo(rng.choice(names))
            kind = rng.choice((0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR))
            info.external_attr = kind << 16
            with contextlib.suppress(UserWarning):
                archive.writestr(info, rng.choice((b"", b"/etc/passwd", bytes(3_000_000))))
    data = bytearray(path.read_bytes())
    if rng.random() < 0.4:
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(1, len(data) + 1)])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives(tmp_path: Path, score: Score) -> None:
    """G9 archives."""
    rng, path = stream("archives"), tmp_path / "in" / "pictures.zip"
    path.parent.mkdir()

    def read() -> None:
        with contextlib.closing(open_source(str(path))) as source:
            for entry in source.listing.entries:
                with contextlib.suppress(_unusable()):
                    assert len(source.read(entry.name)) < 10**7

    for number in range(size(40, 40)):
        _bent_zip(rng, path)
        complaints = _judge(read, code=(3, 9), culprit="pictures.zip")
        if sorted(p.name for p in tmp_path.rglob("*")) != ["in", "pictures.zip"]:
            complaints.append("something was unpacked")
        score.case(f"archive {number}", complaints)


def _unusable() -> type[Exception]:
    """What a picture that cannot be used raises."""
    from projgan.data.report import Unusable

    return Unusable


def test_mutants_are_caught(
    made: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Weights whose errors are not named."""
    from safetensors.torch import load_file

    whole = (made / "generator.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        read = lambda folder: load_file(folder / "generator.safetensors")  # noqa: E731
        patch.setattr(snapshot_module, "read_weights", read)
        assert any(_load_bent(made, stream("mutant"), whole, 30))
    _resealed(made, whole)
    caught_by("errors of the reader are not named", record_property, "G9 headers")
    with pytest.raises(UsageError):
        load_config(preset="no such preset")
