"""The Dockerfile and what goes into its build, as far as it can be told without an engine."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def instructions(text: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) in order, without comments, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.split(None, 1) for line in joined.splitlines() if line.strip())
    return [(pair[0].upper(), pair[1].strip()) for pair in pairs]


def is_ignored(path: str, rules: str) -> bool:
    """As Docker decides: the last rule that fits the path or a folder above it counts."""
    parts = Path(path).parts
    above = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    ignored = False
    for line in rules.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern, is_exception = rule.removeprefix("!"), rule.startswith("!")
        tail = pattern.removeprefix("**/")
        if any(
            fnmatch.fnmatchcase(Path(one).name if tail != pattern else one, tail)
            and (tail != pattern or one.count("/") == pattern.count("/"))
            for one in above
        ):
            ignored = not is_exception
    return ignored


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> str:
    return (ROOT / ".dockerignore").read_text(encoding="utf-8")


def copied(dockerfile: list[tuple[str, str]]) -> list[str]:
    return [
        source
        for name, rest in dockerfile
        if name in ("COPY", "ADD")
        for source in [word for word in shlex.split(rest) if not word.startswith("--")][:-1]
    ]


def test_all_that_is_copied_exists_and_reaches_the_build(
    dockerfile: list[tuple[str, str]], rules: str
) -> None:
    sources = copied(dockerfile)
    assert {"src", "pyproject.toml", "README.md"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), f"COPY {source}"
        assert not is_ignored(source, rules), f".dockerignore keeps out {source}"
    assert not is_ignored("src/projgan/cli/main.py", rules)
    # What the build of the package reads.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = [re.search(r'^readme = "(.+)"', project, re.MULTILINE)[1]]  # type: ignore[index]
    licences = re.search(r"^license-files = \[(.+)\]", project, re.MULTILINE)
    assert licences is not None
    named += re.findall(r'"(.+?)"', licences[1])
    assert set(named) <= set(sources)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".env",
        "runs/photos/config.json",
        "demo/pictures/1.png",
        "data/cat.jpg",
        "photos/cat.jpg",
        "shared/data/1.png",
        "tests/tiny.py",
        "build/lib/a.py",
        "src/projgan/__pycache__/errors.cpython-312.pyc",
    ],
)
def test_nothing_else_reaches_the_build(rules: str, path: str) -> None:
    assert is_ignored(path, rules)


def test_it_is_made_as_it_should_be(dockerfile: list[tuple[str, str]]) -> None:
    names = [name for name, _ in dockerfile]
    assert names[0] == "FROM" and names.count("FROM") == 1
    values = dict(dockerfile)
    assert values["FROM"] == "python:3.12-slim"
    assert values["USER"] not in ("root", "0")
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")
    assert '"/work/runs"' in values["VOLUME"]
    assert values["ENTRYPOINT"] == '["projgan"]'  # a list: no shell stands before signals
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    arguments = [rest.partition("=")[0] for name, rest in dockerfile if name == "ARG"]
    for argument in arguments:
        assert text.count(argument) > 1, f"{argument} has no effect"
        assert f"`{argument}`" in (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    assert "://" not in text  # where things come from is up to whoever builds it


def test_versions_of_torch_are_those_of_the_package() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    wanted = re.findall(r'"(torch(?:vision)?>=[\d.]+)"', text)
    assert len(wanted) == 2
    assert all(f'"{one}"' in project for one in wanted)


def test_the_reader_of_rules_reads_them_as_docker_does() -> None:
    rules = "# all\n*\n!src\n**/*.pyc\nsrc/secret\n"
    expected = {"a": True, "src": False, "src/a/b.py": False, "src/a.pyc": True, "src/secret": True}
    assert {path: is_ignored(path, rules) for path in expected} == expected
    assert is_ignored("src/secret/key", rules)
