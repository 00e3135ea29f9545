"""Which picture comes when: the position alone decides, so a resumed run needs no sampler state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from projgan.rng import numpy_stream


class Sampler:
    """Epoch after epoch, each a fresh order of all pictures.

    Args:
        count: pictures in the set.
        seed: another seed gives other orders.
        mirror: every epoch shows each picture twice: once as it is and once mirrored.

    Deviation: the reference shuffles once and then swaps pictures within a window of half the set;
    here each epoch is shuffled anew, so that every picture is shown as often as any other.
    """

    def __init__(self, count: int, *, seed: int, mirror: bool = False) -> None:
        assert count >= 1, f"cannot sample from {count} pictures"
        self.count = count
        self.seed = seed
        self.mirror = mirror
        self.epoch_length = count * (2 if mirror else 1)
        self._orders: dict[int, npt.NDArray[np.int64]] = {}

    def at(self, position: int, batch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The batch that begins when `position` images have been seen.

        Returns: picture indices (batch,) in [0, count), and whether to mirror each (batch,).
        """
        assert position >= 0 and batch >= 1, f"no batch of {batch} at position {position}"
        slots = np.empty(batch, np.int64)
        filled = 0
        while filled < batch:
            epoch, offset = divmod(position + filled, self.epoch_length)
            part = self._order(epoch)[offset : offset + batch - filled]
            slots[filled : filled + len(part)] = part
            filled += len(part)
        return slots % self.count, slots >= self.count

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """A permutation of the epoch's slots; slot i + count is picture i mirrored."""
        if epoch not in self._orders:
            # Only a memory of what was computed: it never changes an answer.
            self._orders = {e: order for e, order in self._orders.items() if e == epoch - 1}
            # Raw bits, sorted: numpy's own shuffling may change between its releases.
            bits = numpy_stream(self.seed, "sampler", epoch).bit_generator
            self._orders[epoch] = np.argsort(bits.random_raw(self.epoch_length), kind="stable")
        return self._orders[epoch]
