"""The inception score: whether pictures look like one class each, and all together like many.

It knows no reals. Over another network than Inception, or pictures of no ImageNet class, it says
little.

Source: Salimans et al., Improved Techniques for Training GANs (2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.evaluation.feature_sets import checked

_SPLITS = 10


@dataclass(frozen=True)
class InceptionScore:
    """Mean and standard deviation over the parts of the set; 1 is the least."""

    mean: float
    spread: float


def inception_score(logits: Tensor, *, splits: int = _SPLITS) -> InceptionScore:
    """Exp of the mean divergence between p(class | picture) and p(class), in float64.

    Args:
        logits: (N, classes), N >= 2, in random order: the set is cut into parts as it lies.
        splits: parts, each with a p(class) of its own; fewer if a part had not 2 pictures.

    Raises: DataError: fewer than 2 rows, or entries that are not finite.
    """
    logits = checked(logits, least=2, metric="an inception score")
    parts = min(splits, logits.shape[0] // 2)
    scores = []
    for part in logits.tensor_split(parts):
        log_p = part.to(torch.float64).log_softmax(dim=1)
        p = log_p.exp()
        log_marginal = p.mean(dim=0).clamp(min=torch.finfo(torch.float64).tiny).log()
        scores.append((p * (log_p - log_marginal)).sum(dim=1).mean().exp())
    values = torch.stack(scores)
    return InceptionScore(float(values.mean()), float(values.std(correction=0)))
