"""What a report says to a reader, and that it survives JSON."""

from __future__ import annotations

import json

import pytest

from projgan.data.report import UPSCALED, Report

REPORT = Report(
    found=12,
    used=9,
    rejected={
        "a\n.png": "is empty",
        "b.png": "is damaged: x",
        "c.png": "is empty",
        "d\udce9.png": "is empty",
    },
    duplicates=[["e.png", "f.png", "g.png"]],
    dropped=2,
    facts={UPSCALED: 3},
    doubtful={"h.jpg": "CMYK without a profile"},
    skipped={"pipes, sockets or devices": 1},
)


def test_sentences_name_the_culprits_in_printable_lines() -> None:
    lines = REPORT.sentences()
    assert lines == [
        "9 of 12 pictures used",
        "4 rejected: a\\n.png (is empty); b.png (is damaged: x); c.png (is empty); and 1 more",
        "2 exact duplicates (left out): e.png = f.png = g.png",
        "1 with doubtful colours: h.jpg (CMYK without a profile)",
        "among those used: 3 enlarged",
        "passed over: 1 pipes, sockets or devices",
    ]
    assert all(line.isprintable() for line in lines)


def test_a_clean_set_needs_one_sentence() -> None:
    assert Report(found=3, used=3).sentences() == ["3 of 3 pictures used"]


def test_duplicates_that_stay_say_how_to_drop_them() -> None:
    assert "--dedupe" in Report(found=2, used=2, duplicates=[["a", "b"]]).sentences()[1]


def test_counts() -> None:
    assert REPORT.bad_share == pytest.approx(4 / 12)
    assert REPORT.upscaled == 3
    assert Report(found=0, used=0).bad_share == 0.0


def test_json_round_trip() -> None:
    again = Report.from_dict(json.loads(json.dumps(REPORT.as_dict())))
    assert again == REPORT


@pytest.mark.parametrize(
    "change",
    [
        {"found": "12"},
        {"rejected": {"a": 1}},
        {"duplicates": [[1]]},
        {"facts": {"x": "y"}},
        {"new": 1},
    ],
)
def test_other_forms_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Report.from_dict(REPORT.as_dict() | change)
