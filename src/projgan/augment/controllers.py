"""Who decides the probability p of the adaptive operations, and by what.

The controllers move p by a fixed amount in the direction of a sign, every few steps, so that p
could travel from 0 to 1 in `kimg` thousand images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass
class Controller:
    """A constant p; the base of those that steer it.

    Args:
        p: where it starts, 0 to 1.
        kimg: thousand images in which p could go from 0 to 1.
        interval: steps between two decisions.
    """

    is_steering: ClassVar[bool] = False
    p: float = 0.5
    kimg: float = 100.0
    interval: int = 4
    _signal: float = 0.0
    _steps: int = 0

    def observe(self, *, loss_real: float, loss_fake: float, sign_real: float, batch: int) -> None:
        """Take in one step and, after `interval` of them, move p.

        Args:
            loss_real, loss_fake: the two parts of the discriminator's loss.
            sign_real: mean sign of the reals' logits, -1 to 1.
            batch: images of the step.
        """
        self._signal += self.signal(loss_real, loss_fake, sign_real) / self.interval
        self._steps += 1
        if self._steps == self.interval:
            direction = (self._signal > 0) - (self._signal < 0)
            self.p += direction * batch * self.interval / (1000 * self.kimg)
            self.p = min(max(self.p, 0.0), 1.0)
            self._signal, self._steps = 0.0, 0

    def signal(self, loss_real: float, loss_fake: float, sign_real: float) -> float:
        """Above 0 means: augment more."""
        return 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"p": self.p, "signal": self._signal, "steps": self._steps}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.p, self._signal = float(values["p"]), float(values["signal"])
        self._steps = int(values["steps"])


class BalanceController(Controller):
    """The article's: p is steered so that the losses on reals and on fakes become equal.

    Where the generator leads, the discriminator takes fakes for real: its loss on fakes is the
    larger one, and p falls. Where reals lose more, p rises.
    """

    is_steering = True

    def signal(self, loss_real: float, loss_fake: float, sign_real: float) -> float:
        """Above 0 while reals lose more than fakes."""
        return loss_real - loss_fake


@dataclass
class AdaController(Controller):
    """ADA's: p is steered so that the reals' mean sign stays at `target`.

    A discriminator that is surer of the reals than that has begun to know them by heart.

    Source: Training Generative Adversarial Networks with Limited Data (Karras et al., 2020).
    """

    is_steering: ClassVar[bool] = True
    target: float = 0.6

    def signal(self, loss_real: float, loss_fake: float, sign_real: float) -> float:
        """Above 0 while the discriminator is surer of the reals than it should be."""
        return sign_real - self.target
