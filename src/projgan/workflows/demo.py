"""The demo: draw pictures, train a small generator on them, and show what it learned."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from projgan.config.load import load_config
from projgan.data.classes import ALL
from projgan.data.drawn import write_drawn_set
from projgan.data.prepare import open_cached
from projgan.errors import UsageError
from projgan.rundir import RunDir, first_free
from projgan.training.history import read_history
from projgan.workflows.distance import Lite1Distance
from projgan.workflows.sitting import TrainResult
from projgan.workflows.train import plan, train
from projgan.workflows.use import interpolate, sample
from projgan.workflows.watch import Watch

_FILM_SEEDS = range(36)


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    train: TrainResult
    pictures: Path
    grid: Path
    film: Path
    chart: Path
    distance_first: float
    distance_last: float


def demo(
    out: Path,
    *,
    count: int = 600,
    options: Mapping[str, str] | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> DemoResult:
    """Everything at once in the folder `out`: pictures/, run/, grid.png, film.gif, chart.png.

    Args:
        count: pictures to draw.
        options: settings over the demo preset.
        overwrite: move an existing demo aside instead of refusing.
    """
    watch = watch or Watch()
    if out.exists():
        if not overwrite:
            raise UsageError(
                "this folder exists already",
                where=str(out),
                safe="nothing was changed",
                next_command="projgan demo --overwrite    (moves it aside; or choose --out)",
            )
        out.rename(first_free(out))
    pictures, run = out / "pictures", RunDir(out / "run")
    out.mkdir(parents=True)
    wanted = load_config(preset="demo", options=options).data
    write_drawn_set(
        pictures,
        count=count,
        size=max(wanted.size),
        by_kind=wanted.conditional,
        transparent=wanted.mode == "rgba",
        progress=lambda done, total: watch.progress("drawing pictures", done, total),
    )
    watch.note(f"drew {count} pictures: {pictures}")
    config = plan(pictures, preset="demo", options=options)
    metric = Lite1Distance(open_cached(config.data))
    result = train(
        pictures, preset="demo", out=run.root, options=options, metric=metric, watch=watch
    )
    grid, film, chart = out / "grid.png", out / "film.gif", out / "chart.png"
    if config.data.conditional:
        sample(run.root, seeds=range(8), classes=ALL, out=grid, as_grid=True)
    else:
        sample(run.root, seeds=range(64), out=grid, as_grid=True)
    interpolate(run.root, seeds=_FILM_SEEDS, out=film, frames=96, columns=3, rows=3, watch=watch)
    shutil.copyfile(run.chart, chart)
    distances = [row["fd_lite1"] for row in read_history(run.history) if "fd_lite1" in row]
    return DemoResult(result, pictures, grid, film, chart, distances[0], distances[-1])
