"""The contract that any generator meets, and the names under which generators are known.

A generator of your own needs no change in this package. To be trained with classes, its builder
also takes `num_classes` (and hands it on), and its `forward` also takes `c`, a class index for each
sample. For pictures that are not square, its builder also takes `size`, (height, width), and for
grey pictures or such with transparency `channels`; it hands them on, too. Without all that,
complete, and trainable as it is:

    import torch
    from torch import Tensor, nn
    from projgan.generators import Generator, build_generator, register

    class Tiny(Generator):
        def __init__(self, *, z_dim: int, resolution: int, width: int) -> None:
            super().__init__(z_dim=z_dim, resolution=resolution)
            self.start = nn.Linear(z_dim, width * 4 * 4)
            self.to_image = nn.Conv2d(width, 3, 3, padding=1)

        def forward(self, z: Tensor) -> Tensor:
            x = self.start(z).view(len(z), -1, 4, 4)
            x = nn.functional.interpolate(x, size=self.resolution)
            return self.to_image(x)

    @register("tiny")
    def build_tiny(*, z_dim: int, resolution: int, width: int) -> Tiny:
        return Tiny(z_dim=z_dim, resolution=resolution, width=width)

    images = build_generator("tiny", z_dim=64, resolution=128, width=32)(torch.randn(4, 64))
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from projgan.errors import UsageError, choose_from
from projgan.rng import torch_stream


class Generator(nn.Module, ABC):
    """Latents to images: (B, z_dim), each entry N(0, 1) -> (B, channels, *size).

    Images lie about in [-1, 1] and are not clipped; whoever writes them clips. A fourth channel is
    transparency, -1 for none of the picture to 1 for all of it. A forward pass may normalise `z`,
    but must be the same function for every sample of the batch in evaluation.

    Args:
        z_dim: length of a latent.
        resolution: longer side of the images in pixels.
        num_classes: classes between which labels choose; 0: it is not conditional.
        size: height and width of the images; by default both are the resolution.
        channels: 3, 1 for grey, or 4 for colours and transparency.
    """

    def __init__(
        self,
        *,
        z_dim: int,
        resolution: int,
        num_classes: int = 0,
        size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.resolution = resolution
        self.num_classes = num_classes
        self.size = size or (resolution, resolution)
        self.channels = channels
        assert max(self.size) == resolution, "the resolution is the longer side"

    def latents(self, seeds: Iterable[int]) -> Tensor:
        """Standard normal latents, one row a seed: (N, z_dim) float32 on the CPU.

        A row depends on its own seed alone: picture 7 is the same picture in whatever company it is
        made.
        """
        rows = [torch.randn(self.z_dim, generator=torch_stream(seed, "latent")) for seed in seeds]
        return torch.stack(rows) if rows else torch.empty(0, self.z_dim)

    def stages(self) -> list[list[nn.Parameter]]:
        """The parameters of each block, from the latents on: what can be frozen, in this order.

        The last part, which makes the picture, is not among them. A generator that has no such
        order says nothing, and cannot be frozen.
        """
        return []

    def segments(self) -> list[nn.Module]:
        """The modules that hold most of the maps of a forward pass, each called once in it.

        They can be computed a second time in the backward pass, which saves memory
        (`training.recompute`). A generator that names none keeps all its maps.
        """
        return []

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, z_dim) -> (B, channels, *size).

        c: (B,) class indices, for a conditional generator. One without classes is called with z
        alone, and need not take c.
        """


class StyleGenerator(Generator):
    """A generator in two halves: latents to styles, and styles to images.

    Styles w are (B, num_styles, w_dim), coarse to fine: the first rows decide about layout, the
    last ones about colours. They can be moved towards their mean, which trades variety for quality
    (`truncate`), and rows of different samples can be put together.

    Args:
        z_dim, resolution, num_classes, size, channels: as for any generator.
        w_dim: length of a style.
        num_styles: how many styles make an image.

    Attributes:
        w_avg: (w_dim,), the mean style: a moving average that training forwards keep (`track`).
    """

    w_avg: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        resolution: int,
        w_dim: int,
        num_styles: int,
        num_classes: int = 0,
        size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> None:
        super().__init__(
            z_dim=z_dim,
            resolution=resolution,
            num_classes=num_classes,
            size=size,
            channels=channels,
        )
        self.w_dim = w_dim
        self.num_styles = num_styles
        self.register_buffer("w_avg", torch.zeros(w_dim))

    @abstractmethod
    def styles(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, z_dim) -> (B, num_styles, w_dim), not truncated; calls `track` when training.

        c: as for `forward`.
        """

    @abstractmethod
    def synthesize(self, styles_w: Tensor) -> Tensor:
        """(B, num_styles, w_dim) -> (B, channels, *size)."""

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, z_dim) -> (B, channels, *size)."""
        return self.synthesize(self.styles(z) if c is None else self.styles(z, c))

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move `w_avg` a 500th of the way to the mean of a batch (B, w_dim)."""
        self.w_avg.lerp_(w.mean(dim=0), W_AVG_RATE)

    def check_truncation(self, psi: float, cutoff: int | None = None) -> None:
        """Raise UsageError if `truncate` would: psi or cutoff is out of range."""
        if not -2 <= psi <= 2:
            raise UsageError(f"truncation psi is {psi}; it must lie between -2 and 2")
        if cutoff is not None and not 1 <= cutoff <= self.num_styles:
            raise UsageError(
                f"truncation cutoff is {cutoff}; it must lie between 1 and {self.num_styles}, "
                "the number of styles"
            )

    def truncate(self, styles_w: Tensor, psi: float, *, cutoff: int | None = None) -> Tensor:
        """w_avg + psi * (w - w_avg): the same shape, each row by itself.

        Args:
            styles_w: (B, num_styles, w_dim).
            psi: -2 to 2. 1 changes nothing, 0 gives the mean image, below 0 lie opposites.
            cutoff: only the first so many rows, 1 to num_styles; all by default.
        Raises: UsageError: psi or cutoff is out of range.
        """
        self.check_truncation(psi, cutoff)
        truncated = torch.lerp(self.w_avg, styles_w, psi)
        rows = torch.arange(self.num_styles, device=styles_w.device)
        is_truncated = rows < (self.num_styles if cutoff is None else cutoff)
        return torch.where(is_truncated[:, None], truncated, styles_w)


class Builder(Protocol):
    """What `register` takes: a function or class called with exactly these names.

    For what is not plain it is called with more: `num_classes`, `size` and `channels`, as in
    `Generator`.
    """

    def __call__(self, *, z_dim: int, resolution: int, width: int) -> Generator:
        """A generator with fresh weights; sizes as for `build_generator`."""
        ...


W_AVG_RATE = 0.002
"""How far a training forward moves the mean style towards the mean of its batch."""

_MEANINGS = {
    "num_classes": "be trained with classes",
    "size": "make pictures that are not square",
    "channels": "make grey or transparent pictures",
}
"""What a generator cannot do whose builder does not take a keyword."""

_BUILDERS: dict[str, Builder] = {}
_B = TypeVar("_B", bound=Builder)


def register(name: str, *, replace: bool = False) -> Callable[[_B], _B]:
    """Decorator: make a builder known as `name`, for configs and commands.

    Raises: UsageError: if the name is taken, unless it may be replaced.
    """

    def add(builder: _B) -> _B:
        if name in _BUILDERS and not replace:
            raise UsageError(f"a generator named {name!r} is registered already")
        _BUILDERS[name] = builder
        return builder

    return add


def known_generators() -> tuple[str, ...]:
    """The registered names, sorted."""
    return tuple(sorted(_BUILDERS))


def build_generator(
    name: str,
    *,
    z_dim: int,
    resolution: int,
    width: int,
    num_classes: int = 0,
    size: tuple[int, int] | None = None,
    channels: int = 3,
) -> Generator:
    """The generator registered as `name`, with fresh weights from torch's global random state.

    Args:
        name: one of `known_generators()`.
        z_dim: length of a latent.
        resolution: longer side of the images in pixels.
        width: channels at 128 px (ngf); a builder scales its layers with it.
        num_classes: of a conditional generator; 0: of one without classes.
        size: height and width of the images, if they are not square.
        channels: of the images: 3, 1 (grey) or 4 (with transparency).
    Raises: UsageError: for an unknown name, or what the generator does not offer.
    """
    if name not in _BUILDERS:
        raise choose_from("generator", name, known_generators())
    # A builder need not know what a plain generator does without.
    further: dict[str, Any] = {"num_classes": num_classes} if num_classes else {}
    if size is not None and size != (resolution, resolution):
        further["size"] = size
    if channels != 3:
        further["channels"] = channels
    _require_keywords(name, further)
    builder: Callable[..., Generator] = _BUILDERS[name]
    return builder(z_dim=z_dim, resolution=resolution, width=width, **further)


def _require_keywords(name: str, keywords: Iterable[str]) -> None:
    """Raise `UsageError` if the builder called `name` does not take one of the keywords."""
    parameters = inspect.signature(_BUILDERS[name]).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for keyword in keywords:
        if keyword not in parameters and not takes_all:
            raise UsageError(
                f"the generator {name} cannot {_MEANINGS[keyword]}: its builder takes no {keyword}",
                next_command="choose another: --set generator.name=fastgan-lite",
            )
