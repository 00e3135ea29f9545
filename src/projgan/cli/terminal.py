"""What long work looks like: notes and a progress bar, or plain lines where there is no terminal.

Everything here goes to stderr; results go to stdout.
"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from projgan.config.schema import RunConfig
from projgan.errors import printable
from projgan.workflows.watch import Watch

if TYPE_CHECKING:
    from projgan.training.state import TrainingState

_BAR_EVERY_S = 1.0
_LINE_EVERY_S = 30.0


class Terminal(Watch):
    """Shows a workflow to a person, or to a log file when stderr is none."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bar: tqdm[None] | None = None
        self._label = ""
        self._shown_at = 0.0
        self._total, self._seconds = 0, math.inf
        self._images_seen = 0
        self._is_started = False
        self._start_images, self._start_elapsed = 0, 0.0

    def note(self, text: str) -> None:
        """A sentence on a line of its own, above the bar if there is one."""
        tqdm.write(printable(text), file=sys.stderr)

    def progress(self, label: str, done: int, total: int) -> None:
        """A bar on a terminal; at most one line at the end elsewhere."""
        if not self._is_terminal:
            if done == total and total > 1:
                self.note(f"{label}: {total} done")
            return
        if self._bar is None or self._label != label:
            self._close()
            self._label = label
            self._bar = tqdm(total=total, desc=label, file=sys.stderr, leave=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self._close()

    def begin(self, state: TrainingState, config: RunConfig) -> None:
        """Say what was decided, then open the bar of the training."""
        training, judge = config.training, config.discriminator
        looks = judge.description
        if judge.is_projected:
            looks = f"features {config.features.description}"
        self.note(
            f"training {config.generator.name} at {config.data.description} on {training.device} "
            f"({training.precision}, {training.threads} threads, batch {training.batch}, "
            f"{training.step} step, {looks})"
        )
        self._total = training.images
        self._seconds = training.minutes * 60 or math.inf
        self._start_images, self._start_elapsed = state.images_seen, state.elapsed_s
        self._images_seen = state.images_seen
        self._shown_at, self._is_started = time.monotonic(), False
        if self._is_terminal:
            self._close()
            self._bar = tqdm(
                total=training.images,
                initial=state.images_seen,
                desc="training",
                unit="img",
                unit_scale=True,
                file=sys.stderr,
                mininterval=_BAR_EVERY_S,
            )

    def step(self, state: TrainingState) -> None:
        """Losses, speed and time left, once a second on a terminal and twice a minute elsewhere."""
        now, self._images_seen = time.monotonic(), state.images_seen
        if not self._is_started:
            self._show_first(state)
            return
        if now - self._shown_at < (_BAR_EVERY_S if self._is_terminal else _LINE_EVERY_S):
            return
        self._shown_at = now
        losses = self._losses(state)
        if self._bar is not None:
            self._bar.set_postfix_str(losses, refresh=False)
            self._bar.update(state.images_seen - self._bar.n)
            return
        seconds = max(state.elapsed_s - self._start_elapsed, 1e-9)
        speed = (state.images_seen - self._start_images) / seconds
        left = (self._total - state.images_seen) / max(speed, 1e-9)
        left = min(left, max(self._seconds - state.elapsed_s, 0.0))
        self.note(
            f"{state.images_seen:,} of {self._total:,} images, {speed:.1f} images/s, "
            f"{_duration(left)} left{', ' if losses else ''}{losses}"
        )

    def _show_first(self, state: TrainingState) -> None:
        """Show that it runs; how fast, the first step does not tell."""
        self._is_started = True
        if self._bar is not None:
            self._bar.set_postfix_str(self._losses(state), refresh=False)
            self._bar.update(state.images_seen - self._bar.n)
            self._bar.refresh()
        else:
            seconds = state.elapsed_s - self._start_elapsed
            self.note(
                f"first step done, in {seconds:.1f} s; a line follows every {_LINE_EVERY_S:.0f} s"
            )

    def end(self) -> None:
        """Close the bar where the training is."""
        if self._bar is not None:
            self._bar.update(self._images_seen - self._bar.n)
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @staticmethod
    def _losses(state: TrainingState) -> str:
        means = state.averages.means()
        return f"loss G {means['loss_g']:+.3f} D {means['loss_d']:.3f}" if means else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
