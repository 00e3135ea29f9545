"""`projgan report` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import projgan
from page_of import write_run


def test_the_page_is_written_shown_and_its_size_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "runs/photos")
    browser, shown = tmp_path / "browser.sh", tmp_path / "shown"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {shown}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    out, _ = projgan(tmp_path, "report", "runs/photos", "--open")
    page = tmp_path / "runs/photos/report.html"
    assert out.startswith("report: runs/photos/report.html (0.")
    assert "3 of 3 sample grids" in out
    assert shown.read_text() == page.resolve().as_uri()
    out, _ = projgan(tmp_path, "report", "runs/photos", "--out", "mine.html", "--json")
    assert json.loads(out) == {
        "report": "mine.html",
        "bytes": (tmp_path / "mine.html").stat().st_size,
        "grids": 3,
        "grids_in_run": 3,
        "opened": False,
    }


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    _, err = projgan(tmp_path, "report", ".", code=2)
    assert "this is no run folder" in err
