"""The figures of a comparison as tables and sentences: on a terminal, and in `compare.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projgan import storage
from projgan.config.shapes import in_words
from projgan.evaluation.curves import Curve
from projgan.workflows.comparison.outcomes import Comparison, EqualDistance, Outcome, Reached

Row = tuple[str, ...]


def context(comparison: Comparison) -> str:
    """What was trained on what, in a line."""
    terms = comparison.terms
    count = len(terms["seeds"])
    config = next(iter(terms["contenders"].values()))["config"]
    mode = config["data"].get("mode", "rgb")  # comparisons from before there were modes have none
    generators = {one["config"]["generator"]["name"] for one in terms["contenders"].values()}
    return (
        f"{Path(terms['data']).name}, {in_words(config['data']['resolution'], mode)}, "
        f"{' and '.join(sorted(generators))}, "
        + (f"{count} seeds (thin lines) and their mean" if count > 1 else "one seed")
    )


def results(comparison: Comparison) -> list[Row]:
    """A head, and a row for each contender."""
    rows: list[Row] = [("contender", "seeds", "images", "minutes", "images/s", "best", "final", "")]
    for outcome in comparison.measured:
        mean = outcome.mean
        assert mean is not None, f"{outcome.name} has no mean"
        bests = [curve.best.distance for curve in outcome.curves]
        finals = [curve.final.distance for curve in outcome.curves]
        rows.append(
            (
                outcome.name,
                " ".join(str(run.seed) for run in outcome.runs),
                f"{mean.final.images_seen:,.0f}",
                f"{mean.final.elapsed_s / 60:.1f}",
                f"{outcome.images_per_s:.1f}",
                _with_each(bests),
                _with_each(finals, mean.final.distance),
                _remark(outcome),
            )
        )
    return _without_empty_columns(rows)


def equal_rows(equal: EqualDistance) -> list[Row]:
    """A head, and for each contender what it needs to come to that distance."""
    rows: list[Row] = [("contender", "images", "times fewer", "minutes", "times less")]
    for name, reached in equal.reached.items():
        rows.append(
            (
                name,
                _images(reached),
                _ratio(equal.images_ratio(name)),
                _minutes(reached),
                _ratio(equal.time_ratio(name)),
            )
        )
    return rows


def equal_title(equal: EqualDistance, comparison: Comparison) -> str:
    """What the table of `equal_rows` is about."""
    measure = comparison.measure
    assert measure is not None, "nothing was measured"
    return f"to {measure.name} {equal.distance:.1f}, where {equal.of} ended"


def equal_sentences(comparison: Comparison) -> list[str]:
    """For every contender but the best: how much sooner the best was where that one ended."""
    equals = comparison.equal_distances()
    if len(equals) < 2:
        return []
    best = equals[-1].of
    return [_sentence(best, equal) for equal in equals[:-1]]


def stall_sentences(comparison: Comparison) -> list[str]:
    """Warnings that some times are not to be trusted."""
    return [
        f"times of {outcome.name} are not to be trusted: {stall}"
        for outcome in comparison.outcomes
        for stall in outcome.stalls
    ]


def times_fewer(ratio: float) -> str:
    """A ratio of images, in words."""
    return f"{ratio:.1f} times fewer" if ratio >= 1 else f"{1 / ratio:.1f} times more"


def times_less(ratio: float) -> str:
    """A ratio of times, in words."""
    return f"{ratio:.1f} times less" if ratio >= 1 else f"{1 / ratio:.1f} times more"


def as_text(rows: Sequence[Row]) -> list[str]:
    """Rows as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def write_table(comparison: Comparison) -> None:
    """Write `compare.md`, whole or not at all."""
    measure = comparison.measure
    assert measure is not None, "nothing was measured"
    floor = measure.floor
    halves = "" if floor is None else f" Between two halves of the reals: {floor:.1f}."
    lines = [
        "# Comparison",
        "",
        f"{measure.title} ({measure.description}).{halves}",
        "Lower is better; it is no FID. Means over seeds, in brackets each seed.",
        "" if comparison.is_finished else "\n**Not finished yet.**\n",
        *_markdown(results(comparison)),
        "",
    ]
    for equal in comparison.equal_distances():
        title = equal_title(equal, comparison)
        lines += [f"## {title[0].upper()}{title[1:]}", "", *_markdown(equal_rows(equal)), ""]
    sentences = [*equal_sentences(comparison), *stall_sentences(comparison)]
    lines += [f"- {sentence}" for sentence in sentences]
    lines += ["", "![distance over images and over time](compare.png)", ""]
    lines += ["![samples](samples.png)"] if comparison.samples.exists() else []
    storage.write_text(comparison.table, "\n".join(lines).rstrip() + "\n")


def _sentence(best: str, equal: EqualDistance) -> str:
    images, seconds = equal.images_ratio(best), equal.time_ratio(best)
    if images is None or seconds is None:
        return f"{equal.of} ended no closer than {best} began"
    return (
        f"{best} came as close as {equal.of} ended with {times_fewer(images)} images "
        f"in {times_less(seconds)} time"
    )


def _remark(outcome: Outcome) -> str:
    diverged = [str(run.seed) for run in outcome.runs if run.diverged]
    return f"diverged: seed {', '.join(diverged)}" if diverged else ""


def _with_each(values: Sequence[float], mean: float | None = None) -> str:
    mean = sum(values) / len(values) if mean is None else mean
    each = f" ({', '.join(f'{value:.1f}' for value in values)})" if len(values) > 1 else ""
    return f"{mean:.1f}{each}"


def _images(reached: Reached) -> str:
    mean = _images_of(reached.mean, reached.distance)
    each = [_images_of(curve, reached.distance) for curve in reached.runs]
    return mean if len(each) == 1 else f"{mean} ({', '.join(each)})"


def _images_of(curve: Curve, distance: float) -> str:
    point = curve.reach(distance)
    return f">{curve.final.images_seen:,.0f}" if point is None else f"{point.images_seen:,.0f}"


def _minutes(reached: Reached) -> str:
    point = reached.point
    if point is None:
        return f">{reached.mean.final.elapsed_s / 60:.1f}"
    return f"{point.elapsed_s / 60:.1f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _without_empty_columns(rows: list[Row]) -> list[Row]:
    kept = [column for column in range(len(rows[0])) if any(row[column] for row in rows)]
    return [tuple(row[column] for column in kept) for row in rows]


def _markdown(rows: Sequence[Row]) -> list[str]:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return [f"| {' | '.join(line)} |" for line in lines]
