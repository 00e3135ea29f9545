"""The losses of the adversarial game, on logits: hinge, or logistic with the R1 penalty.

`logits` everywhere: (B, M), the flattened logit maps of all heads side by side; raw, no sigmoid.
Losses are computed in float32 even if the logits come in bfloat16.

Source: hinge: Projected GANs (Sauer et al., 2021), multi-discriminator objective. Logistic:
Generative Adversarial Nets (Goodfellow et al., 2014), with the non-saturating loss of the
generator, and R1 (Mescheder et al., 2018), as in StyleGAN2 (Karras et al., 2020).
Deviation: Projected GANs sum over the feature levels; like the official code we join the levels'
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


def logistic_generator_loss(fake_logits: Tensor) -> Tensor:
    """What the generator minimises: mean(-log sigmoid(fake_logits)), the non-saturating form.

    Args:
        fake_logits: (B, M), of generated images.
    Returns: scalar, float32, > 0; log 2 for an undecided discriminator.
    """
    return F.softplus(-fake_logits.to(torch.float32)).mean()


def logistic_fake_loss(fake_logits: Tensor) -> Tensor:
    """The discriminator's loss on generated images: mean(-log(1 - sigmoid(fake_logits))).

    Args:
        fake_logits: (B, M), of generated images.
    Returns: scalar, float32, > 0; log 2 for an undecided discriminator.
    """
    return F.softplus(fake_logits.to(torch.float32)).mean()


def logistic_real_loss(real_logits: Tensor) -> Tensor:
    """The discriminator's loss on real images: mean(-log sigmoid(real_logits)).

    Args:
        real_logits: (B, M), of real images.
    Returns: scalar, float32, > 0; log 2 for an undecided discriminator.
    """
    return F.softplus(-real_logits.to(torch.float32)).mean()


def r1_penalty(real_logits: Tensor, images: Tensor) -> Tensor:
    """How steep the discriminator is around real images: mean over them of |d logits / d image|^2.

    Its gradient goes through the gradient, so the discriminator must be differentiable twice.

    Args:
        real_logits: (B, M), computed from `images`.
        images: (B, C, H, W), which require a gradient.
    Returns: scalar, >= 0. The weight gamma / 2 of the papers is not in it.
    Source: Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), R1.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
