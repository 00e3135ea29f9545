"""`history.png`: losses, logits and speed over images seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from projgan.training.figure import new_figure, save_figure

_PANELS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "loss",
        (
            ("loss_g", "generator", "#d1495b"),
            ("loss_d", "discriminator", "#00798c"),
            ("loss_reconstruction", "reconstruction", "#9c89b8"),
            ("loss_r1", "R1 penalty", "#9c89b8"),
        ),
    ),
    ("mean logit", (("logits_real", "real", "#2e933c"), ("logits_fake", "fake", "#8d6a9f"))),
    (
        "mean sign of logits",
        (
            ("sign_real", "real", "#2e933c"),
            ("sign_fake", "fake", "#8d6a9f"),
            ("augment_p", "p of augmentation", "#edae49"),
        ),
    ),
    ("images per second", (("images_per_s", "training", "#30638e"),)),
)


def draw_chart(rows: list[dict[str, Any]], path: Path, *, title: str, loss: str = "hinge") -> None:
    """Draw the history of a run; without rows nothing is written.

    Args:
        rows: lines as `read_history` gives them. An `fd_lite1` in some of them is drawn dashed.
        path: the PNG to write; replaced as a whole.
        title: the line above.
        loss: the kind of adversarial loss, in words.
    """
    if not rows:
        return
    figure = new_figure(11, 7, title=title)
    for axes, (label, lines) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        for key, name, colour in lines:
            points = [(row["images_seen"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=name, color=colour, linewidth=1.6)
        axes.set(xlabel="images seen", ylabel=f"loss ({loss})" if label == "loss" else label)
        axes.grid(alpha=0.25)
        axes.margins(x=0.01)
        if len(lines) > 1 and axes.lines:
            axes.legend(frameon=False, loc="best")
    _draw_distance(figure.axes[0], rows)
    save_figure(figure, path)


def _draw_distance(axes: Any, rows: list[dict[str, Any]]) -> None:
    """The distance between samples and reals, dashed, on an axis of its own."""
    points = [(row["images_seen"], row["fd_lite1"]) for row in rows if "fd_lite1" in row]
    if not points:
        return
    twin = axes.twinx()
    twin.plot(*zip(*points, strict=True), "--", color="#444444", linewidth=1.4, label="fd-lite1")
    twin.set(ylabel="fd-lite1 (lower is better)", yscale="log")
    twin.legend(frameon=False, loc="lower left")
