"""Class labels at the door of a network: there where they belong, and nowhere else."""

from __future__ import annotations

from torch import Tensor

from projgan.errors import UsageError


def require_labels(c: Tensor | None, *, num_classes: int, batch: int) -> None:
    """See that a network gets the labels that it was built for.

    Args:
        c: (B,) class indices in [0, num_classes), or None. That they lie in this range is up to
            the caller: looking would wait for the device.
        num_classes: of the network; 0 means that it knows no classes.
        batch: samples that the labels belong to.
    Raises: UsageError: there are no labels though there are classes, or the other way round, or
        not one for each sample.
    """
    if c is None and num_classes:
        raise UsageError(f"a network with {num_classes} classes needs a label for each sample")
    if c is not None and not num_classes:
        raise UsageError("labels for a network without classes: build it with num_classes")
    if c is not None and c.shape != (batch,):
        raise UsageError(f"{batch} labels are needed, of shape ({batch},), not {tuple(c.shape)}")
