"""The scripts in benchmarks/: what they decide; what they measure is no matter for a test."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from projgan.workflows.doctor.trial import Trial

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module
    spec.loader.exec_module(module)
    return module


check, sweep = load("check"), load("sweep")


def recorded(ratio: float) -> dict[str, object]:
    return {"amx": {"ratio": {"median": ratio}}}


@pytest.mark.parametrize(
    ("ratio", "code"), [(4.0, 0), (9.0, 0), (3.41, 0), (3.39, 1), (0.5, 1)], ids=str
)
def test_a_ratio_fails_at_15_percent_below_the_recorded_one(ratio: float, code: int) -> None:
    result, sentence = check.verdict("amx", ratio, recorded(4.0))
    assert result == code
    assert f"{ratio:.2f}" in sentence and "4.00" in sentence
    assert sentence.startswith("SLOWER") == (code == 1)


def test_another_kind_of_machine_is_no_failure_and_no_success() -> None:
    code, sentence = check.verdict("plain", 4.0, recorded(4.0))
    assert code == 2
    assert "no ratio is recorded for plain (recorded: amx)" in sentence
    assert "make bench-record" in sentence


def test_recording_keeps_other_kinds() -> None:
    machine = {
        "kind": "plain",
        "device": "cpu",
        "processor": "P",
        "units": [],
        "cores": 2,
        "threads": 1,
        "torch": "2",
        "projgan": "0",
    }
    facts = {
        "machine": machine,
        "step": {"images_per_s": {"median": 5.0}},
        "against": {"ratio": {"median": 2.0, "least": 1.0, "most": 3.0, "count": 9}},
    }
    text = json.dumps(check.record(facts, recorded(4.0)))
    kept = json.loads(text)
    assert list(kept) == ["amx", "plain"]
    assert check.verdict("plain", 1.7, kept)[0] == 0
    assert check.verdict("plain", 1.69, kept)[0] == 1
    assert check.verdict("amx", 4.0, kept)[0] == 0


def test_what_is_recorded_can_be_read() -> None:
    for kind, entry in json.loads(check.RECORDED.read_text(encoding="utf-8")).items():
        assert check.verdict(kind, entry["ratio"]["median"], {kind: entry})[0] == 0


def table(**changes: object) -> object:
    fields = {"what": "batch", "preset": "few-shot-64", "options": {}, "key": "training.batch"}
    return sweep.Table(**{**fields, "values": ("2", "4", "8", "16"), "growth": 2.0, **changes})


def effort(most_s: float) -> object:
    common = {"training.device": "cpu", "training.threads": "1"}
    return sweep.Effort(common, 1.0, most_s, is_tiny=False)


def test_cells_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(config: object, seconds: float, *, least: int) -> Trial:
        batch = config.training.batch  # type: ignore[attr-defined]
        return Trial((batch * 1.0,), batch, 100.0)

    monkeypatch.setattr(sweep, "try_steps", slow)
    cells = list(sweep.measure_table(table(), effort(most_s=9.0)))
    assert [cell.get("step_s") for cell in cells] == [2.0, 4.0, 8.0, None]
    assert cells[3]["problem"] == "left out: up to 16 s a step"
    cells = list(sweep.measure_table(table(), effort(most_s=7.0)))
    assert cells[2]["problem"] == "left out: up to 8 s a step"
    assert cells[3]["problem"] == "left out, like the one before"


def test_cells_that_do_not_fit_end_a_table_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def full(config: object, seconds: float, *, least: int) -> Trial:
        calls.append(config.training.batch)  # type: ignore[attr-defined]
        return Trial((), 4, 0.0, problem="the memory is not enough")

    monkeypatch.setattr(sweep, "try_steps", full)
    cells = list(sweep.measure_table(table(), effort(most_s=99.0)))
    assert calls == [2]
    assert [cell["problem"] for cell in cells] == [
        "the memory is not enough",
        *3 * ["left out, like the one before"],
    ]
    list(sweep.measure_table(table(growth=0.0), effort(most_s=99.0)))
    assert calls == [2, 2, 4, 8, 16]


def test_what_cannot_be_is_said() -> None:
    (cell,) = sweep.measure_table(table(values=("1",)), effort(most_s=9.0))
    assert cell["problem"].startswith("not possible: must be at least 2")


def test_tables_are_markdown() -> None:
    cells = [
        {"value": "8", "problem": "left out"},
        {
            "value": "4",
            "step_s": 1.25,
            "least_s": 1.0,
            "most_s": 1.5,
            "is_first": False,
            "images_per_s": 3.2,
            "memory_mb": 1234,
        },
    ]
    assert sweep.markdown("batch", sweep.rows_of_steps(cells)).splitlines() == [
        "| batch | seconds a step | images/s | memory (MB) |",
        "| --- | --- | --- | --- |",
        "| 8 | left out |  |  |",
        "| 4 | 1.25 (1 to 1.5) | 3.2 | 1,234 |",
    ]
    loads = [{"value": "100", "load_ms": 0.5, "most_ms": 2.0, "share": 0.01}]
    assert sweep.rows_of_loading(loads)[1] == ["100", "0.5", "2", "1.00%"]


def test_every_cell_of_the_sweep_can_be_built() -> None:
    for one in sweep.TABLES.values():
        for value in one.values:
            if (one.key, value) != ("training.batch", "1"):
                assert sweep.config_of(one, value, effort(1.0)).training.threads == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_gpu_script_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    script = SCRIPTS / "gpu.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    environment = os.environ | {"PYTHON": sys.executable, "DEVICE": "abacus"}
    words = ["bash", str(script), str(tmp_path / "out")]
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 5
    assert "abacus cannot be used" in done.stderr
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "exists already" in done.stderr
