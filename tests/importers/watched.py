"""A process of its own that imports hostile files, and reports all that they did.

Run as: python watched.py FOLDER GOOD_FILE TASK...

A task is JSON: [READER, "attacks"] or [READER, "mutations", SEED, COUNT], where READER is "ours" or
a mutant that the suite must catch. Writes a line of JSON for each.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import pickle
import pickletools
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from importers.attacks import Attack, attacks
from projgan.errors import ProjganError, RefusedError
from projgan.importers import known, limits, machine, reader, storages
from projgan.workflows.official import import_official

MAX_MEMORY = 512 << 20
OUR_OWN = ("mmap.__new__", "object.__getattr__", "sys._getframe", "builtins.id")
"""Events of our own code: it maps the file, and PyTorch looks around while ours is built."""


class Watch:
    """Every audited event while it is on."""

    def __init__(self, allowed: Path) -> None:
        self.is_on = False
        self.events: list[str] = []
        self._allowed, self._folder = str(allowed), str(allowed.parent)
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, mode = str(arguments[0]), arguments[1]
            if path == self._allowed and (mode is None or not set(mode) & set("wax+")):
                return
        elif event in OUR_OWN or (event == "os.mkdir" and str(arguments[0]) == self._folder):
            return
        self.events.append(f"{event} {arguments!r}"[:200])

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        self.events, self.is_on = [], True
        try:
            yield
        finally:
            self.is_on = False


class _Everything(Collection):
    def __contains__(self, pair: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _ByPrefix(_Everything):
    def __contains__(self, pair: object) -> bool:
        return pair[0].split(".")[0] in ("torch", "pg_modules", "collections", "builtins")


def _unpickle(data: memoryview) -> Any:
    return pickle.Unpickler(io.BytesIO(data)).load()


def _unpickle_what_is_listed(data: memoryview) -> Any:
    """An unpickler with the closed list: names are checked, but what they name is called."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in known.OFFICIAL:
                raise RefusedError(f"{module}.{name}")
            return super().find_class(module, name)

    return Unpickler(io.BytesIO(data)).load()


def _call_for_real(self: machine.Machine) -> None:
    """REDUCE as an unpickler has it."""
    import importlib

    arguments, called = self._pop(), self._pop()
    found = importlib.import_module(called.module)
    for part in called.name.split("."):
        found = getattr(found, part)
    self._stack.append(found(*arguments))


def _without_limits() -> None:
    limits.MAX_OPERATIONS = sys.maxsize
    limits.Budget.count_bytes = lambda self, count: None


MUTANTS: dict[str, Callable[[], None]] = {
    "unpickler": lambda: setattr(reader, "read_bytes", _unpickle),
    "unpickler with the list": lambda: setattr(reader, "read_bytes", _unpickle_what_is_listed),
    "open list": lambda: setattr(known, "OFFICIAL", _Everything()),
    "list by prefix": lambda: setattr(known, "OFFICIAL", _ByPrefix()),
    "open nested list": lambda: setattr(storages, "NESTED", _Everything()),
    "calls what is listed": lambda: machine._STEPS.update({ord("R"): _call_for_real}),
    "no limits": _without_limits,
}
"""Readers that are not closed: each must be caught."""


def use(name: str) -> None:
    """Put a mutant in the place of the reader."""
    if name != "ours":
        MUTANTS[name]()


def try_one(watch: Watch, file: Path, out: Path, content: bytes) -> dict[str, Any]:
    """Import one file; what came of it."""
    file.write_bytes(content)
    start = time.process_time()
    words, code = "", 0
    with watch.on():
        try:
            import_official(file, out, overwrite=False)
        except ProjganError as error:
            words, code = error.what, error.exit_code
        except MemoryError:
            words, code = "MemoryError", -1
        except Exception as error:  # what no message was made for is a failure of the reader
            words, code = f"{type(error).__name__}: {error}", -1
    return {
        "code": code,
        "words": words,
        "seconds": time.process_time() - start,
        "events": list(watch.events),
    }


def run_attacks(folder: Path, watch: Watch, *, stop_early: bool) -> list[dict[str, Any]]:
    results = []
    canary, file, out = folder / "canary", folder / "hostile.pkl", folder / "out"
    for attack in attacks(str(canary)):
        found = try_one(watch, file, out, attack.content)
        faults = judge(attack, found)
        if canary.exists() or set(folder.iterdir()) != {file}:
            faults.append("it wrote something")
            canary.unlink(missing_ok=True)
        results.append({"label": attack.label, "faults": faults, **found})
        if faults and stop_early:
            break  # a mutant is caught
    return results


def judge(attack: Attack, found: dict[str, Any]) -> list[str]:
    faults = [f"side effect: {event}" for event in found["events"]]
    expected = 9 if attack.names else 4
    if found["code"] != expected:
        faults.append(f"exit code {found['code']}, not {expected}: {found['words']}")
    elif attack.names and attack.names not in found["words"].encode("unicode_escape").decode():
        plain = attack.names.encode("unicode_escape").decode()
        if plain not in found["words"].encode("unicode_escape").decode():
            faults.append(f"it names another: {found['words']}")
    if found["seconds"] > 2:
        faults.append(f"it took {found['seconds']:.1f} s")
    return faults


def mutations(base: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Copies of a good file with one to four opcodes changed, moved, doubled, lost or made up."""
    rng = random.Random(seed)
    places = [position for _, _, position in pickletools.genops(base)] + [len(base)]
    bounds = list(zip(places, places[1:], strict=False))
    codes = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
    for _ in range(count):
        content = bytearray(base)
        changes = sorted((rng.choice(bounds) for _ in range(rng.randint(1, 4))), reverse=True)
        for start, end in changes:
            kind = rng.randrange(8)
            part = bytes(content[start:end])
            if kind == 0:
                content[start:end] = rng.choice(codes) + part[1:]
            elif kind == 1:
                content[start:end] = b""
            elif kind == 2:
                content[start:end] = part * 2
            elif kind == 3:
                other = rng.choice(bounds)
                content[start:end] = base[other[0] : other[1]]
            elif kind == 4:
                content[start:start] = rng.choice(codes) + rng.randbytes(rng.randint(0, 8))
            elif kind == 5:
                place = rng.randrange(start, max(start + 1, min(end, start + 400)))
                content[place : place + 1] = rng.randbytes(1)
            elif kind == 6:
                content[start:start] = b"cos\nsystem\n" + part
            else:
                del content[start + rng.randrange(0, max(1, end - start)) :]
        yield bytes(content)


def run_mutations(folder: Path, watch: Watch, base: bytes, seed: int, count: int) -> dict[str, Any]:
    tally: dict[str, int] = {"0": 0, "4": 0, "9": 0}
    faults: list[str] = []
    slowest = 0.0
    file, out = folder / "hostile.pkl", folder / "out"
    import_official.__globals__["Snapshot"] = _Unwritten
    for index, content in enumerate(mutations(base, seed, count)):
        found = try_one(watch, file, out, content)
        slowest = max(slowest, found["seconds"])
        tally[str(found["code"])] = tally.get(str(found["code"]), 0) + 1
        problems = [*found["events"]]
        if found["code"] not in (0, 4, 9):
            problems.append(f"exit code {found['code']}: {found['words']}")
        if found["seconds"] > 2:
            problems.append(f"{found['seconds']:.1f} s")
        if set(folder.iterdir()) != {file}:
            problems.append("it wrote something")
        faults += [f"seed {seed}, mutation {index}: {problem}" for problem in problems]
    return {"tally": tally, "faults": faults[:20], "num_faults": len(faults), "slowest": slowest}


class _Unwritten:
    """Stands for a snapshot: a mutation may leave a good file, which need not be written."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def save(self, *_: Any, **__: Any) -> None:
        pass


def main() -> None:
    folder, base_file, *tasks = sys.argv[1:]
    place, base = Path(folder), Path(base_file).read_bytes()
    watch = Watch(place / "hostile.pkl")
    # What is imported late is there before the first hostile file.
    try_one(watch, place / "hostile.pkl", place / "warm", base)
    shutil.rmtree(place / "warm")
    codecs.lookup("cp437")  # which zipfile looks up at its first archive
    for task in tasks:
        child = os.fork()
        if child == 0:
            run_task(json.loads(task), place, watch, base)
        os.waitpid(child, 0)


def run_task(task: list[Any], place: Path, watch: Watch, base: bytes) -> NoReturn:
    """One task with its own memory; prints a line of JSON, and ends the process."""
    name, what, *numbers = task
    use(name)
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    used = int(next(line for line in lines if line.startswith("VmData")).split()[1]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + MAX_MEMORY,) * 2)
    if what == "attacks":
        result: Any = run_attacks(place, watch, stop_early=name != "ours")
    else:
        result = run_mutations(place, watch, base, *numbers)
    sys.stdout.write(json.dumps([name, what, result]) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
