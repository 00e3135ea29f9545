import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from projgan.training.chart import draw_chart
from projgan.training.history import Averages, append_line, read_history


def add(averages: Averages, value: float) -> None:
    logits = torch.full((2, 3), value)
    averages.add(torch.tensor(value), torch.tensor(2 * value), logits, -logits)


def test_averages_are_means_with_signs() -> None:
    averages = Averages()
    add(averages, 1.0)
    add(averages, 3.0)
    means = averages.means()
    assert means["loss_g"] == 2.0
    assert means["loss_d"] == 4.0
    assert (means["logits_real"], means["logits_fake"]) == (2.0, -2.0)
    assert (means["sign_real"], means["sign_fake"]) == (1.0, -1.0)
    averages.clear()
    assert averages.means() == {}


def test_averages_go_on_exactly_from_a_saved_state() -> None:
    whole, first, second = Averages(), Averages(), Averages()
    for value in (0.1, 0.2, 0.3):
        add(whole, value)
    add(first, 0.1)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())), torch.device("cpu"))
    for value in (0.2, 0.3):
        add(second, value)
    assert second.means() == whole.means()


def test_extras_are_means_of_the_steps_that_had_them() -> None:
    averages = Averages()
    logits = torch.zeros(2, 3)
    for step in range(4):
        extras = {"loss_r1": torch.tensor(1.0 + step)} if step % 2 == 0 else {}
        averages.add(torch.tensor(1.0), torch.tensor(2.0), logits, logits, extras=extras)
    assert averages.means()["loss_r1"] == 2.0
    saved = json.loads(json.dumps(averages.state_dict()))
    again = Averages()
    again.load_state_dict(saved, torch.device("cpu"))
    assert again.means() == averages.means()
    averages.clear()
    add(averages, 1.0)
    assert "loss_r1" not in averages.means()


def test_averages_of_older_checkpoints_have_no_extras() -> None:
    averages = Averages()
    averages.load_state_dict({"sums": [1.0] * 6, "count": 2}, torch.device("cpu"))
    assert averages.means()["loss_g"] == 0.5


def test_resume_event_drops_the_lines_it_overtook(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for images in (8, 16, 24):
        append_line(path, {"images_seen": images, "sitting": 1})
    append_line(path, {"event": "resume", "images_seen": 16})
    append_line(path, {"images_seen": 24, "sitting": 2})
    assert [(row["images_seen"], row["sitting"]) for row in read_history(path)] == [
        (8, 1),
        (16, 1),
        (24, 2),
    ]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_line(path, {"images_seen": 8})
    with path.open("a") as handle:
        handle.write('{"images_se')
    assert read_history(path) == [{"images_seen": 8}]


def test_numbers_that_are_not_finite_never_reach_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        append_line(tmp_path / "history.jsonl", {"loss_g": float("nan")})


def test_chart_shows_each_line_of_the_history(tmp_path: Path) -> None:
    rows = [
        {
            "images_seen": images,
            "loss_g": 1.0,
            "loss_d": 2.0,
            "logits_real": 0.5,
            "logits_fake": -0.5,
            "sign_real": 0.1,
            "sign_fake": -0.1,
            "images_per_s": 10.0,
        }
        for images in (100, 200, 300)
    ]
    plain, dashed = tmp_path / "plain.png", tmp_path / "dashed.png"
    draw_chart(rows, plain, title="a run")
    draw_chart([*rows, {"images_seen": 300, "fd_lite1": 50.0}], dashed, title="a run")
    with Image.open(plain) as first, Image.open(dashed) as second:
        assert first.size == second.size == (1100, 740)
        assert first.tobytes() != second.tobytes()


def test_chart_shows_further_losses_and_names_the_kind(tmp_path: Path) -> None:
    rows = [{"images_seen": n, "loss_g": 1.0, "loss_d": 2.0, "images_per_s": 1.0} for n in (1, 2)]
    further = [{**row, "loss_r1": 0.5} for row in rows]
    pictures = []
    for name, shown, loss in (
        ("plain", rows, "hinge"),
        ("r1", further, "hinge"),
        ("logistic", rows, "logistic"),
    ):
        draw_chart(shown, tmp_path / f"{name}.png", title="a run", loss=loss)
        with Image.open(tmp_path / f"{name}.png") as picture:
            pictures.append(picture.tobytes())
    assert len(set(pictures)) == 3


def test_no_history_no_chart(tmp_path: Path) -> None:
    draw_chart([], tmp_path / "chart.png", title="a run")
    assert not list(tmp_path.iterdir())
