"""How this process uses its device: threads, memory, and the arithmetic of float32."""

from __future__ import annotations

import torch

from projgan.config.learning import TrainingConfig
from projgan.processes import local_count
from projgan.training.allocator import keep_freed_memory


def prepare_device(training: TrainingConfig) -> None:
    """Set what torch has one switch for in the whole process, as training wants it.

    Processes that train together on one machine share its threads.

    On CUDA, what stays float32 is multiplied in TF32 (10 bits of mantissa), and cuDNN tries which
    of its ways is the fastest for shapes that never change.
    """
    torch.set_num_threads(max(1, training.threads // local_count()))
    keep_freed_memory()
    if training.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
