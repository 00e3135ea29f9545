from pathlib import Path

import pytest
import torch

from projgan import tensors
from projgan.errors import CheckpointError
from projgan.tensors import read_tensors, write_tensors


def test_layout_and_sharing_do_not_matter(tmp_path: Path) -> None:
    values = {
        "a": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "b": torch.arange(6).view(2, 3).t(),
    }
    values["same"] = values["a"]
    write_tensors(tmp_path / "x.safetensors", values)
    back = read_tensors(tmp_path / "x.safetensors")
    assert back.keys() == values.keys()
    assert all(torch.equal(back[name], values[name]) for name in values)


def test_the_reason_of_a_refusing_disk_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise tensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)})
    assert caught.value.errno == 28


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"garbage" * 100])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
