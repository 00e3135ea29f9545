"""The documentation against the code: examples run, commands parse, links lead somewhere."""

from __future__ import annotations

import importlib
import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from projgan import errors
from projgan.cli.arguments import SHORT_NAMES, ShortParser, settings_of
from projgan.cli.main import COMMANDS
from projgan.config.load import RESUME_MAY_CHANGE, differences, override
from projgan.config.presets import PRESETS, preset_config
from projgan.config.schema import RunConfig
from projgan.data.drawn import write_drawn_set
from projgan.generators import base
from projgan.workflows.comparison.contenders import parse_contender

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    *DOCS,
    *(path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).is_file()),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(text: str, heading: str = "") -> list[list[str]]:
    """Cells of the table lines below a heading, without the table's head."""
    if heading:
        text = re.split(
            r"^#+ ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE
        )[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    heads = [index - 1 for index, row in enumerate(cells) if set("".join(row)) <= set("-: ")]
    return [row for index, row in enumerate(cells) if index not in heads and index - 1 not in heads]


def code(cell: str) -> str:
    assert re.fullmatch(r"`[^`]*`", cell), f"{cell!r} is not code"
    return cell.strip("`")


# The Python examples.


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with pictures in photos/; what examples change in this process is put back."""
    write_drawn_set(tmp_path / "photos", count=8, size=64)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def test_python_examples_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = read("library.md")
    blocks = [match for match in FENCE.finditer(text) if match[1] == "python"]
    assert len(blocks) >= 5
    for block in blocks:
        # Empty lines in front: a traceback then names the line of the page.
        above = text[: block.start(2)].count("\n")
        source = compile(
            "\n" * above + block[2], str(ROOT / "docs" / "library.md"), "exec", dont_inherit=True
        )
        exec(source, {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "torch.Size([4, 4])" in printed
    for made in (
        "runs/photos/history.png",
        "four.png",
        "walk.gif",
        "runs/bloom/snapshots/000000008",
    ):
        assert (workplace / made).exists()


# The command lines.


def commands_of(page: Path) -> list[str]:
    """Every `projgan ...` of a page, from blocks and from the running text."""
    text = page.read_text(encoding="utf-8")
    blocks = [match[2] for match in FENCE.finditer(text) if match[1] != "python"]
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [line for line in [*lines, *spans] if re.match(r"(\.venv/bin/)?projgan\s+[a-z]", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page: Path) -> None:
    for line in commands_of(page):
        words = shlex.split(re.split(r"\\?\||>|&&|;", line)[0], comments=True)[1:]
        assert words[0] in COMMANDS, f"{page.name}: there is no command {words[0]!r}: {line}"
        if len(words) == 1:  # the running text speaks of the command
            continue
        try:
            parse(words)
        except errors.UsageError as error:
            pytest.fail(f"{page.name}: {line}: {error}")


def parse(words: list[str]) -> None:
    """As `projgan.cli.main` does, without running; settings and presets must exist too."""
    name = words[0]
    command = importlib.import_module(f"projgan.cli.{name}")
    parser = ShortParser(name, COMMANDS[name], command.EXAMPLES)
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--debug", action="store_true")
    args = parser.parse_args([word for word in words[1:] if word != "--help"])
    override(RunConfig(), settings_of(args))
    preset = getattr(args, "preset", None) or (args.name if name == "presets" else None)
    for one in preset if isinstance(preset, list) else [preset]:
        if one:
            preset_config(one)
    for contender in getattr(args, "contenders", []):
        parse_contender(contender)


def test_commands_are_found() -> None:
    """Guards the test above against looking at nothing."""
    found = {line.split()[1] for page in DOCS for line in commands_of(page)}
    assert found >= set(COMMANDS)


def test_every_setting_that_is_named_exists() -> None:
    known = {f"{section}.{name}" for section, names in settings().items() for name in names}
    for page in DOCS:
        text = page.read_text(encoding="utf-8")
        named = re.findall(rf"`(?:--set )?((?:{'|'.join(settings())})\.[a-z_0-9]+)", text)
        unknown = {name for name in named if not name.endswith((".py", ".md"))} - known
        assert not unknown - FILES, f"{page.name} names {unknown}"


FILES = {"generator.safetensors"}


# Links.


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and path.suffix == ".md":
            assert anchor in slugs(path), (
                f"{page.name} links to {target}, which has no such heading"
            )


def test_index_lists_every_page() -> None:
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)\)", read("README.md")))
    assert linked == {page.name for page in DOCS} - {"README.md"}


# The tables.


def settings() -> dict[str, dict[str, Any]]:
    """Section -> setting -> default."""
    config = RunConfig()
    sections = {field.name: getattr(config, field.name) for field in fields(config)}
    return {
        name: {field.name: getattr(section, field.name) for field in fields(section)}
        for name, section in sections.items()
        if is_dataclass(section)
    }


@pytest.mark.parametrize("section", settings())
def test_settings_agree_with_the_schema(section: str) -> None:
    table = rows(read("settings.md"), f"## {section}")
    expected = settings()[section]
    assert [code(row[0]) for row in table] == [f"{section}.{name}" for name in expected]
    for setting, default, on_resume, meaning in table:
        key = code(setting)
        typed = "" if default == "(empty)" else code(default)
        written = getattr(getattr(override(RunConfig(), {key: typed}), section), key.split(".")[1])
        assert written == expected[key.split(".")[1]], f"{key} has another default"
        assert on_resume == ("yes" if key in RESUME_MAY_CHANGE else "no"), key
        assert meaning.endswith("."), key


def test_feature_networks_agree() -> None:
    from projgan.cli.features import input_in_words
    from projgan.workflows.features import known_networks

    expected = [
        [
            f"`{one.blueprint.name}`",
            f"`{one.blueprint.timm_name}`",
            f"{one.parameters / 1e6:.1f} M",
            " ".join(map(str, one.blueprint.channels)),
            str(one.blueprint.size or "any"),
            input_in_words(one.blueprint.mean, one.blueprint.std),
            f"{one.giga_flops:.1f}",
            one.blueprint.licence,
        ]
        for one in known_networks()
    ]
    assert rows(read("feature-networks.md"), "## The networks") == expected


def test_short_options_agree() -> None:
    table = rows(read("settings.md"), "## Short options")
    expected = {f"--{name.replace('_', '-')}": key for name, key in SHORT_NAMES.items()}
    assert {code(option): code(setting) for option, setting in table} == expected


@pytest.mark.parametrize("name", PRESETS)
def test_presets_agree(name: str) -> None:
    part = read("settings.md").split(f"\n### {name}\n", 1)[1]
    block = FENCE.search(part)
    assert block is not None
    options = dict(line.split("=", 1) for line in block[2].splitlines())
    written = differences(RunConfig(), override(RunConfig(), options))
    expected = differences(RunConfig(), PRESETS[name].config)
    del expected["preset"]
    assert options.keys() == expected.keys()
    for key, (_, value) in expected.items():
        shown = written.get(key, (None, None))[1]
        same = (
            math.isclose(shown, value, rel_tol=1e-5) if isinstance(value, float) else shown == value
        )
        assert same, f"{key} is {value} and not {shown}"


def test_exit_codes_agree() -> None:
    table = [(int(row[0]), row[1].strip("`")) for row in rows(read("exit-codes.md"))]
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ProjganError)
    ]
    expected = {
        (kind.exit_code, kind.__name__)
        for kind in kinds
        if kind not in (errors.StoppedBySignal, errors.ToldElsewhere)  # codes of another
    }
    expected |= {(0, ""), (130, "StoppedBySignal"), (143, "StoppedBySignal")}
    assert len(table) == len(expected)
    assert set(table) == expected


def test_every_deviation_is_listed() -> None:
    source = ROOT / "src" / "projgan"
    files = [
        path for path in source.rglob("*.py") if "Deviation:" in path.read_text(encoding="utf-8")
    ]
    assert files
    missing = [
        name
        for path in files
        if f"`{(name := path.relative_to(source).as_posix())}`" not in read("deviations.md")
    ]
    assert not missing


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_files_of_the_source_exist(page: Path) -> None:
    source = ROOT / "src" / "projgan"
    for name in re.findall(
        r"`([a-z_]+(?:/[a-z_0-9]*)?(?:\.py|/))`", page.read_text(encoding="utf-8")
    ):
        places = (source / name, ROOT / name, ROOT / "docs" / name)
        of_the_user = ("photos/", "compare/photos/", "flat.py")
        of_a_run = ("checkpoints/", "snapshots/", "samples/")
        assert name in of_the_user + of_a_run or any(place.exists() for place in places), (
            f"{page.name} names {name}"
        )


def test_messages_are_those_of_the_code() -> None:
    """In the tables of troubleshooting.md, a first cell in code is (a part of) a message."""
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src" / "projgan").rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # literals that Python joins
    cells = [row[0] for row in rows(read("troubleshooting.md"))]
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    assert len(messages) > 20
    missing = [message for message in messages if message not in joined and message not in NAMES]
    assert not missing


NAMES = {
    "is not one of 32, 64, 128, 256, 512, 1024",
    "unknown generator",
    "of lite0 are not installed",
    "has no truncation",
    "has no styles",
}
"""Messages with a part that the code fills in."""
