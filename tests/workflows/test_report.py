import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from page_of import write_run
from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.workflows.page.pictures import MAX_SIDE, embed
from projgan.workflows.page.story import MAX_GRIDS, evenly
from projgan.workflows.report import refresh_report, report

VOID = {"meta", "img", "input", "line", "rect", "polyline", "circle"}


class Page(HTMLParser):
    """Elements, checked for balance, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def page_of(run: Path) -> Page:
    return Page(report(run).path.read_text(encoding="utf-8"))


def test_the_page_has_all_sections(tmp_path: Path) -> None:
    run = write_run(tmp_path / "flowers")
    Image.new("RGB", (64, 32)).save(run / "nearest.png")
    (run / "nearest.json").write_text('{"score": 0.25}')
    page = page_of(run)
    assert [found["id"] for found in page.of("section")] == [
        "state",
        "samples",
        "chart",
        "metrics",
        "nearest",
        "settings",
        "again",
    ]
    grids = [found["data-images"] for found in page.of("img") if "data-images" in found]
    assert grids == ["0", "16", "32"]
    assert len(page.of("img")) == 3 + 2  # reals and pairs
    assert len(page.of("svg")) == 9
    assert "0.25" in page.text
    assert "torch 2.99.0" in page.text
    assert "someone" not in page.text
    (slider,) = [found for found in page.of("input") if found["type"] == "range"]
    assert slider["max"] == "2"
    assert slider["id"] in {found.get("for") for found in page.of("label")}


def test_every_sentence_is_there_in_both_languages(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "run"))
    spans = page.of("span")
    english = [found for found in spans if found.get("class") == "en"]
    assert len(english) == len([found for found in spans if found.get("class") == "ja"]) > 40
    assert all(found.get("lang") == found["class"] for found in english)


def test_nothing_is_asked_of_any_other_place(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "run"))
    for _, attributes in page.found:
        for name in ("src", "href", "action", "style", "onclick", "onload", "srcset"):
            value = attributes.get(name, "")
            assert not value or (name == "src" and value.startswith("data:image/"))
    (policy,) = [found["content"] for found in page.of("meta") if "http-equiv" in found]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in page.found}


HOSTILE = "x\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"


def test_names_and_settings_cannot_break_out(tmp_path: Path) -> None:
    """From a folder's name, a path, a state, a reason and a metric's name: only text comes out."""
    plain = page_of(write_run(tmp_path / "plain"))
    run = write_run(tmp_path / HOSTILE.replace("/", "|"), path=f"/data/{HOSTILE}")
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    rows[-1] |= {HOSTILE: 1.0, "state": HOSTILE}
    rows.append({"event": "health", "images_seen": HOSTILE, "state": HOSTILE, "reason": HOSTILE})
    rows.append({"event": "resume", "images_seen": 32})
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = page_of(run)
    for tag in ("script", "img"):
        assert len(page.of(tag)) == len(plain.of(tag))
    assert not any(name.startswith("on") for _, found in page.found for name in found)
    assert HOSTILE in page.text
    assert HOSTILE.replace("/", "|") in page.text


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    odd = tmp_path / "a\udcffb\nc"
    run.rename(odd)
    assert "a\\udcffb\\nc" in page_of(odd).text


def test_a_run_that_has_nothing_yet_has_a_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "history.jsonl").unlink()
    for path in (run / "samples").iterdir():
        path.unlink()
    page = page_of(run)
    assert "There is no sample grid yet." in page.text
    assert "chart" not in [found["id"] for found in page.of("section")]


def test_damaged_files_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "samples/000000016.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    (run / "samples/reals.png").write_bytes((run / "samples/reals.png").read_bytes()[:60])
    (run / "nearest.json").write_text("[1, 2]")
    with (run / "history.jsonl").open("a") as handle:
        handle.write('{"images_se')
    page = page_of(run)
    grids = [found["data-images"] for found in page.of("img") if "data-images" in found]
    assert grids == ["0", "32"]


def test_large_pictures_are_made_smaller_and_transparency_stays(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    big = Image.fromarray(noise).resize((2 * MAX_SIDE, MAX_SIDE))
    big.save(tmp_path / "big.png")
    picture = embed(tmp_path / "big.png")
    assert picture is not None
    assert (picture.width, picture.height) == (MAX_SIDE, MAX_SIDE // 2)
    assert picture.was_made_smaller and picture.has_alpha
    assert embed(tmp_path / "missing.png") is None


def test_of_many_grids_some_are_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for images in range(100, 200):
        (run / f"samples/{images:09d}.png").write_bytes(
            (run / "samples/000000032.png").read_bytes()
        )
    page = page_of(run)
    grids = [int(found["data-images"]) for found in page.of("img") if "data-images" in found]
    assert len(grids) == MAX_GRIDS
    assert (grids[0], grids[-1]) == (0, 199)
    assert f"{MAX_GRIDS} of 103 grids" in page.text
    assert evenly([1, 2, 3], 3) == [1, 2, 3]


def test_the_best_value_is_the_lowest_of_a_distance_and_the_highest_of_recall(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run")
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for row, value in zip(rows, (30.0, 10.0, 20.0, 40.0), strict=True):
        row |= {"fd_lite1": value, "recall": value / 100}
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = report(run).path.read_text(encoding="utf-8")
    lines = {
        found[1]: found[0] for found in re.findall(r"(<tr><th scope=\"row\">(.*?)</th>.*)", text)
    }
    assert "<b>10</b>" in lines["fd-lite1"] and "at 16 images" in lines["fd-lite1"]
    recall = next(line for name, line in lines.items() if "recall" in name)
    assert "<b>0.4</b>" in recall and "at 32 images" in recall


def test_only_its_own_page_is_replaced(tmp_path: Path) -> None:
    run, other = write_run(tmp_path / "run"), tmp_path / "mine.html"
    assert report(run).path == report(run).path == run / "report.html"
    other.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        report(run, out=other)
    assert other.read_text() == "mine"
    report(run, out=other, overwrite=True)
    assert "<html" in other.read_text()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        report(tmp_path)


def test_a_page_that_cannot_be_written_is_noted_and_ends_no_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "report.html").mkdir()
    notes: list[str] = []
    refresh_report(RunDir(run), notes.append)
    assert len(notes) == 1 and "report could not be written" in notes[0]
