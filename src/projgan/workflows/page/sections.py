"""The sections of the page, each from the story of a run."""

from __future__ import annotations

from typing import Any

from projgan.training.panels import (
    Line,
    Panel,
    colour_of_state,
    panels_with_data,
    points_of,
    spans_of_states,
)
from projgan.workflows.page.markup import both, number, paragraph, section, table, text
from projgan.workflows.page.pictures import Picture, embed, img
from projgan.workflows.page.story import Story
from projgan.workflows.page.svg import draw_panel
from projgan.workflows.page.words import (
    LINE_NAMES,
    MEANINGS,
    OWN_METRIC,
    PANEL_NAMES,
    STATES,
    Meaning,
)

_NO_METRIC = {"images_seen", "step", "epoch", "elapsed_s", "memory_mb"}
"""Numbers of the history that say where the run is, not how good."""


def facts(story: Story) -> str:
    """What was trained, on how much, and for how long: a line below the title."""
    data, epoch = story.config.data, story.last("epoch")
    seconds = story.last("elapsed_s")
    items = [
        (number(story.images_seen), ("images seen", "学習に使った画像")),
        (number(epoch) if epoch else "", ("epochs", "エポック")),
        (_duration(seconds) if seconds else "", ("of training", "学習時間")),
        (text(story.num_pictures or ""), ("pictures in the set", "学習画像の枚数")),
        (text(data.description), ("size", "大きさ")),
        (text(story.config.generator.name), ("generator", "生成器")),
    ]
    lines = [f"<li><b>{value}</b>{both(words)}</li>" for value, words in items if value]
    return f'<ul class="facts">{"".join(lines)}</ul>'


def state(story: Story) -> str:
    """The named state and what to do about it, if the history has one."""
    name = story.last("state")
    if not name:
        return ""
    name = str(name)
    said, advice = STATES.get(name, ((text(name), text(name)), ("", "")))
    body = f"<p><b>{both(said)}</b> {both(advice)}</p>"
    reason = _reason(name, story)
    body += f'<p class="soft">{text(reason)}</p>' if reason else ""
    box = f'<div class="state tone-{colour_of_state(name)}">{body}</div>'
    return section("state", ("State and advice", "状態と助言"), [box])


def _reason(name: str, story: Story) -> str:
    """The figures that the newest event about this state gives, or nothing."""
    noted = [event for event in story.events if event.get("state") == name]
    if not noted or not noted[-1].get("reason"):
        return ""
    return f"{noted[-1]['images_seen']:,}: {noted[-1]['reason']}"


def samples(story: Story) -> str:
    """The grids over time behind a slider, and the reals beside them."""
    shown = [(images, picture) for images, path in story.grids if (picture := embed(path))]
    reals = embed(story.run.samples / "reals.png")
    if not shown and reals is None:
        return section("samples", ("Samples", "サンプル"), [paragraph(_NOTHING_YET)])
    parts = [paragraph(_SAMPLES)]
    parts += [_controls(len(shown))] if len(shown) > 1 else []
    figures = []
    if shown:
        grids = "".join(_grid(*one, is_shown=one is shown[-1]) for one in shown)
        last = f"{shown[-1][0]:,}"
        caption = _caption(("samples after {} images", "{} 枚を学習した時点のサンプル"), last)
        figures.append(f"<figure>{grids}<figcaption>{caption}</figcaption></figure>")
    if reals is not None:
        caption = both(("pictures of the set", "学習画像"))
        image = img(reals, "pictures of the training set")
        figures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    parts.append(f'<div class="beside">{"".join(figures)}</div>')
    parts.append(_what_was_left_out(story, [picture for _, picture in shown]))
    return section("samples", ("Samples over time", "サンプルの移り変わり"), parts)


_NOTHING_YET = ("There is no sample grid yet.", "サンプルはまだありません。")
_SAMPLES = (
    "Every cell shows the same latent in all grids. Compare with the pictures: variety, structure, "
    "and whether you recognise pictures of the set.",
    "各マスは、いつも同じ潜在変数から作られます。学習画像と見比べて、多様さ、形の整い方、"
    "そして学習画像そのものが混じっていないかを確かめてください。",
)


def _controls(count: int) -> str:
    label = both(("images seen", "学習した画像の枚数"))
    return (
        '<div class="control" id="controls" hidden>'
        f'<button type="button" id="play" aria-pressed="false">▶ {both(("play", "再生"))}</button>'
        f'<label for="when">{label}</label>'
        f'<input type="range" id="when" min="0" max="{count - 1}" step="1" value="{count - 1}">'
        '<output for="when" id="when-out"></output></div>'
    )


def _grid(images: int, picture: Picture, *, is_shown: bool) -> str:
    extra = f' data-images="{images}"' + ("" if is_shown else " hidden")
    return img(picture, f"grid of samples after {images:,} images", extra=extra)


def _caption(words: tuple[str, str], last: str) -> str:
    english, japanese = (one.format(f'<span class="shown">{last}</span>') for one in words)
    return both((english, japanese))


def _what_was_left_out(story: Story, pictures: list[Picture]) -> str:
    if len(pictures) == story.num_grids and not any(one.was_made_smaller for one in pictures):
        return ""
    shown, there = len(pictures), story.num_grids
    return paragraph(
        (
            f"{shown} of {there} grids are in this page, made smaller where they are large; the "
            "run folder has all of them as they are.",
            f"このページには {there} 枚のうち {shown} 枚を、大きいものは縮小して収めています。"
            "元の画像はすべて実行フォルダにあります。",
        ),
        "soft",
    )


def chart(story: Story) -> str:
    """Panels of the history."""
    panels = panels_with_data(story.rows)
    if not panels:
        return ""
    figures = [_panel(panel, story) for panel in panels]
    parts = [paragraph(_CHART), _legend_of_states(story)]
    parts.append(f'<div class="panels">{"".join(figures)}</div>')
    return section("chart", ("Chart", "グラフ"), parts)


_CHART = (
    "Over images seen (below) and epochs (above). The dotted line marks the grid that is shown "
    "above; beside each name stands its newest value.",
    "横軸は学習した画像の枚数 (下) とエポック (上)。点線は上に表示中のサンプルの時点、"
    "名前の横の数は最新の値です。",
)


def _panel(panel: Panel, story: Story) -> str:
    name = PANEL_NAMES[panel.name]
    keys = "".join(_key(line, story) for line in panel.lines)
    label = f"{name[0]} over images seen: {', '.join(line.name for line in panel.lines)}"
    if panel.name == "loss":
        kind = text(story.config.discriminator.loss)
        name = (f"{name[0]} ({kind})", f"{name[1]} ({kind})")
    return (
        f"<figure><figcaption><b>{both(name)}</b></figcaption>"
        f'<ul class="legend">{keys}</ul>{draw_panel(panel, story.rows, label=label)}</figure>'
    )


def _key(line: Line, story: Story) -> str:
    kind = f"key ink-{line.colour}" + (" dashed" if line.is_beside else "")
    name = both(LINE_NAMES.get(line.name, (line.name, line.name)))
    side = both((" (scale at the right)", " (右の目盛)")) if line.is_beside else ""
    newest = number(points_of(story.rows, line.key)[-1][1])
    return f'<li><span class="{kind}"></span>{name}{side} {newest}</li>'


def _legend_of_states(story: Story) -> str:
    states = dict.fromkeys(name for _, _, name in spans_of_states(story.rows))
    keys = "".join(
        f'<li><span class="patch tint-{colour_of_state(one)}"></span>{text(one)}</li>'
        for one in states
    )
    return f'<ul class="legend">{keys}</ul>' if keys else ""


def metrics(story: Story) -> str:
    """The figures of the history, each with its meaning."""
    keys = [key for key in MEANINGS if points_of(story.rows, key)]
    known = {
        *keys,
        *_NO_METRIC,
        *(line.key for p in panels_with_data(story.rows) for line in p.lines),
    }
    others = dict.fromkeys(key for row in story.rows for key in row if key not in known)
    own = {key: Meaning((text(key), text(key)), OWN_METRIC) for key in others}
    rows = [
        _metric(key, MEANINGS.get(key) or own[key], story)
        for key in [*keys, *own]
        if points_of(story.rows, key)
    ]
    head = [("figure", "値"), ("newest", "最新"), ("best", "最良"), ("meaning", "意味")]
    return section(
        "metrics",
        ("What the figures mean", "数値の意味"),
        [table(head, rows, "metrics")] if rows else [],
    )


def _metric(key: str, meaning: Meaning, story: Story) -> list[str]:
    points = points_of(story.rows, key)
    best = ""
    if meaning.better:
        choose: Any = min if meaning.better == "lower" else max
        images, value = choose(points, key=lambda point: point[1])
        at = both((f"at {images:,} images", f"{images:,} 枚の時点"))
        best = f'<b>{number(value)}</b> <span class="soft">{at}</span>'
    return [both(meaning.name), number(points[-1][1]), best, both(meaning.sentence)]


def nearest(story: Story) -> str:
    """Samples beside their nearest pictures of the set, if `projgan nearest` has been asked."""
    picture = embed(story.run.nearest)
    if picture is None:
        return ""
    score = story.nearest.get("score")
    parts = [paragraph(_NEAREST)]
    if isinstance(score, (int, float)):
        said = number(float(score))
        parts.append(paragraph((f"Copy score: <b>{said}</b>.", f"コピー率: <b>{said}</b>。")))
    parts.append(f"<figure>{img(picture, 'samples beside their nearest pictures')}</figure>")
    return section("nearest", ("Nearest pictures of the set", "最も近い学習画像"), parts)


_NEAREST = (
    "Samples beside the picture of the set that is nearest to each. Nearly equal pairs mean that "
    "the generator repeats its pictures.",
    "サンプルと、それぞれに最も近い学習画像。ほとんど同じ組があれば、生成器は学習画像を丸写ししています。",
)


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
