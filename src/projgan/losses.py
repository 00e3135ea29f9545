"""The hinge losses of the adversarial game, on logits.

`logits` everywhere: (B, M), the flattened logit maps of all heads side by side; raw, no sigmoid.
Losses are computed in float32 even if the logits come in bfloat16.

Source: Projected GANs (Sauer et al., 2021), multi-discriminator objective with the hinge loss.
Deviation: the paper sums over the feature levels; like the official code we join the levels'
logits, then average over all B * M of them. Adam hides the factor.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """What the generator minimises: mean(-fake_logits), so it pushes its images' logits up.

    Args:
        fake_logits: (B, M), of generated images.
    Returns: scalar, float32, unbounded.
    """
    return -fake_logits.to(torch.float32).mean()


def hinge_fake_loss(fake_logits: Tensor) -> Tensor:
    """The discriminator's loss on generated images: mean(relu(1 + fake_logits)).

    Args:
        fake_logits: (B, M), of generated images. Logits below -1 are good enough and cost nothing.
    Returns: scalar, float32, >= 0; 1 for an undecided discriminator.
    """
    return F.relu(1.0 + fake_logits.to(torch.float32)).mean()


def hinge_real_loss(real_logits: Tensor) -> Tensor:
    """The discriminator's loss on real images: mean(relu(1 - real_logits)).

    Args:
        real_logits: (B, M), of real images. Logits above 1 are good enough and cost nothing.
    Returns: scalar, float32, >= 0; 1 for an undecided discriminator.
    """
    return F.relu(1.0 - real_logits.to(torch.float32)).mean()
