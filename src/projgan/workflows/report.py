"""`report.html`: what happened in a run, as one page that opens from disk and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from projgan import storage
from projgan.errors import ProjganError, UsageError
from projgan.rundir import RunDir
from projgan.workflows.page import origin, sections
from projgan.workflows.page.markup import both, text
from projgan.workflows.page.story import Story, read_story


@dataclass(frozen=True)
class Report:
    """A page that was written."""

    path: Path
    num_bytes: int
    grids: int
    """Sample grids in the page."""
    num_grids: int
    """Sample grids in the run folder."""


def report(run: str | Path, *, out: Path | None = None, overwrite: bool = False) -> Report:
    """Write the report of a run.

    Args:
        run: the run folder; only read, but for the page.
        out: the page; `report.html` in the run folder by default, which is replaced.
        overwrite: replace another page that exists.
    Raises: UsageError: this is no run folder, or the page exists. ResourceError: the disk.
    """
    story = read_story(Path(run))
    target = out or story.run.report
    if target != story.run.report and target.exists() and not overwrite:
        raise UsageError(
            "the file exists already", where=str(target), next_command="add --overwrite"
        )
    page = render(story)
    target.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(target, page)
    return Report(target, len(page.encode("utf-8")), len(story.grids), story.num_grids)


def refresh_report(run: RunDir, note: Callable[[str], None]) -> None:
    """Write the report at the end of a sitting; a page is for looking at and ends no run."""
    try:
        report(run.root)
    except (OSError, ProjganError) as error:
        note(f"the report could not be written: {str(error).splitlines()[0]}")


def render(story: Story) -> str:
    """The whole page. Its policy allows its own style and script, by their digests, and no more."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    made = [
        sections.state(story),
        sections.samples(story),
        sections.chart(story),
        sections.metrics(story),
        sections.nearest(story),
        origin.settings(story),
        origin.again(story),
    ]
    body = "\n".join(part for part in made if part)
    return _PAGE.format(
        policy=policy,
        style=style,
        script=script,
        name=text(story.name),
        report=both(("Report of a training run", "学習のレポート")),
        facts=sections.facts(story),
        body=body,
        footer=both(_FOOTER),
    )


_FOOTER = (
    "Written by projgan. Everything is in this file: it loads nothing and sends nothing. It holds "
    "pictures of the training set; think of whose they are before you pass it on.",
    "projgan が書き出しました。すべてこのファイルに入っており、外部との通信は一切ありません。"
    "学習画像も含まれるので、人に渡す前に権利を確かめてください。",
)

_PAGE = """<!DOCTYPE html>
<html lang="en" data-lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{name} · projgan</title>
<style>{style}</style>
</head>
<body>
<header>
<div><h1>{name}</h1><p class="soft">{report}</p></div>
<div role="group" aria-label="language / 言語">
<button type="button" data-speak="en" lang="en" aria-pressed="true">English</button>
<button type="button" data-speak="ja" lang="ja" aria-pressed="false">日本語</button>
</div>
</header>
{facts}
<main>
{body}
</main>
<footer>{footer}</footer>
<script>{script}</script>
</body>
</html>
"""


def _part(name: str) -> str:
    return (resources.files("projgan.workflows.page") / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
