from __future__ import annotations

import signal
from pathlib import Path

import pytest

from command import in_this_process
from projgan.cli.launching import without_launch
from projgan.errors import ResourceError, UsageError
from projgan.workflows.launch import Crew, _code


def test_each_process_is_told_who_it_is() -> None:
    crew = Crew(2, machines=3, machine=1, meeting="head:29500")
    told = [crew.environment(local_rank) for local_rank in range(2)]
    assert [one["RANK"] for one in told] == ["2", "3"]
    assert [one["LOCAL_RANK"] for one in told] == ["0", "1"]
    assert {one["WORLD_SIZE"] for one in told} == {"6"}
    assert (told[0]["MASTER_ADDR"], told[0]["MASTER_PORT"]) == ("head", "29500")


@pytest.mark.parametrize(
    ("here", "machines", "machine", "meeting"),
    [(0, 1, 0, ""), (2, 2, 2, "head:1"), (2, 2, 0, ""), (2, 2, 0, "head"), (1, 0, 0, "")],
)
def test_groups_that_cannot_be(here: int, machines: int, machine: int, meeting: str) -> None:
    with pytest.raises(UsageError):
        Crew(here, machines, machine, meeting)


def test_the_command_line_of_a_process_starts_no_others() -> None:
    words = "train photos --launch 2 --machines=3 --machine 1 --meet head:1 --out launch --batch 8"
    assert without_launch(words.split()) == ["train", "photos", "--out", "launch", "--batch", "8"]


def test_the_code_of_the_whole() -> None:
    crew = Crew(3)
    assert _code(crew, [0, 0, 0]) == 0
    assert _code(crew, [-signal.SIGTERM, 5, -signal.SIGKILL]) == 5
    with pytest.raises(ResourceError, match="process 1 was killed by SIGKILL"):
        _code(crew, [0, -signal.SIGKILL, 0])


def test_machines_without_processes_are_refused(tmp_path: Path) -> None:
    for words in (["--machines", "2"], ["--machine", "1"], ["--meet", "head:1"]):
        _, err = in_this_process(tmp_path, "train", "photos", *words, code=2)
        assert "machines are for several processes" in err and "--launch N" in err
