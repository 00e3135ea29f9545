"""`projgan import` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from command import cells, differ, in_this_process, projgan
from importers.official_files import fastgan_file, fastgan_state
from projgan.generators import FastGAN


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    generator = FastGAN(z_dim=16, resolution=32, width=8, lite=True)
    content = fastgan_file(fastgan_state(generator, "fastgan-lite"), z_dim=16, resolution=32)
    path = tmp_path / "network-snapshot.pkl"
    path.write_bytes(content)
    return path


def test_from_a_file_to_pictures(file, tmp_path):
    out, _ = projgan(tmp_path, "import", file.name, "--out", "theirs")
    assert "fastgan-lite of width 8, 32 px" in out
    assert "keep the licence of whoever made them" in out
    command = next(line for line in out.splitlines() if line.startswith("next:")).split()[2:]
    projgan(tmp_path, *command[:2], "--seeds", "0-3", "--grid")
    pictures = cells(tmp_path / "samples.png", 32)
    assert pictures.shape[:2] == (2, 2)
    assert differ(pictures[0, 0], pictures[1, 1])


def test_json_overwrite_and_default_name(file, tmp_path):
    out, _ = in_this_process(tmp_path, "import", file.name, "--json")
    facts = json.loads(out)
    assert facts["out"] == "network-snapshot"
    assert facts["images_seen"] == 123_000
    assert "licence" in facts
    origin = json.loads((tmp_path / "network-snapshot" / "snapshot.json").read_text())["origin"]
    assert origin["file"] == file.name
    _, err = in_this_process(tmp_path, "import", file.name, code=2)
    assert "it exists already" in err
    in_this_process(tmp_path, "import", file.name, "--overwrite")


def test_refused_and_damaged_files_name_the_reason(file, tmp_path):
    good = file.read_bytes()
    file.write_bytes(b"\x80\x04(cos\nsystem\nX\x01\x00\x00\x00x\x85Rt.")
    _, err = projgan(tmp_path, "import", file.name, code=9)
    assert "the file asks for os.system" in err
    assert "nothing in it was run" in err
    file.write_bytes(good[: len(good) // 2])
    _, err = in_this_process(tmp_path, "import", file.name, code=4)
    assert "it ends early" in err
    file.write_bytes(b"")
    _, err = in_this_process(tmp_path, "import", file.name, code=4)
    _, err = in_this_process(tmp_path, "import", "other.pkl", code=2)
    assert "there is no such file" in err
    assert not (tmp_path / "network-snapshot").exists()
