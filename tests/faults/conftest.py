"""What the fault suites share: pictures, a cache of their own, and runs that never stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.runs import Straight, straight_runs
from tiny import write_pictures


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this module's runs keep prepared pictures."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("PROJGAN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of noise."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def straight(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """Runs by the name of their config, trained without a stop."""
    return straight_runs(pictures, tmp_path_factory.mktemp("straight"))
