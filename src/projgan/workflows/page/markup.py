"""Pieces of HTML that cannot be broken by what stands in them.

Text from files goes through `text`, which escapes it; sentences of ours come in two languages, of
which the page shows one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from projgan.errors import printable

Both = tuple[str, str]
"""A sentence of ours in English and in Japanese, as HTML."""


def text(value: object) -> str:
    """Any text as HTML: nothing in it is markup, neither between tags nor in an attribute.

    Control characters and undecodable bytes of file names are shown as escapes.
    """
    return html.escape(printable(str(value)))


def both(words: Both) -> str:
    """The two languages side by side; the page hides one of them."""
    english, japanese = words
    if english == japanese:
        return english
    return (
        f'<span class="en" lang="en">{english}</span><span class="ja" lang="ja">{japanese}</span>'
    )


def code(value: object) -> str:
    """Text as it would be typed; a click marks all of it."""
    return f"<code>{text(value)}</code>"


def command(line: str) -> str:
    """A command line that is broken at spaces only, and not between an option and its value."""
    words = re.findall(r"--\S+ (?!-)\S+|\S+", line)
    return " ".join(f'<span class="word">{text(word)}</span>' for word in words)


def section(name: str, title: Both, parts: Iterable[str]) -> str:
    """A section with its heading, or nothing if it has no parts."""
    body = "\n".join(part for part in parts if part)
    if not body:
        return ""
    heading = f'<h2 id="{name}-title">{both(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">\n{heading}\n{body}\n</section>'


def paragraph(words: Both, kind: str = "") -> str:
    """A paragraph of ours."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{both(words)}</p>"


def table(head: Sequence[Both], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose cells are HTML already; the first cell of a row is its heading.

    On a narrow page each row becomes a block, whose cells carry the heading of their column.
    """
    lines = [f'<table class="{kind}">', "<thead><tr>"]
    lines += [f'<th scope="col">{both(words)}</th>' for words in head]
    lines += ["</tr></thead>", "<tbody>"]
    for first, *rest in rows:
        cells = [f'<th scope="row">{first}</th>']
        for words, cell in zip(head[1:], rest, strict=True):
            kind = "" if cell else ' class="none"'
            cells.append(
                f'<td{kind}><span class="of" aria-hidden="true">{both(words)}</span>{cell}</td>'
            )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def details(summary: Both, body: str) -> str:
    """Folded away until it is asked for."""
    return f"<details><summary>{both(summary)}</summary>\n{body}\n</details>"


def number(value: float) -> str:
    """A figure with about four digits, and no more of them than it has."""
    if value == int(value) and abs(value) >= 1000:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
