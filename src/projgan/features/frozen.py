"""What "frozen" means here: always in evaluation mode, its own weights without gradients.

Gradients still flow *through* a frozen module, from the heads' verdict to the picture; that is how
the generator learns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from typing_extensions import Self


class FrozenModule(nn.Module):
    """A module on which `train()` and `requires_grad_()` have no effect.

    Both are called on whole discriminators in ordinary training loops; neither may ever thaw what
    lies here.
    """

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever `mode` says."""
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Stay without gradients, whatever `requires_grad` says."""
        return super().requires_grad_(False)

    def _freeze(self) -> None:
        """To be called at the end of a child's `__init__`."""
        super().requires_grad_(False)
        super().train(False)
