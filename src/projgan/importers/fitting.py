"""Which of our generators a foreign one is, and its tensors under our names.

By names and shapes alone. What does not fit is said before anything large is allocated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from projgan.build import make_generator
from projgan.config.networks import GeneratorConfig
from projgan.config.pictures import DataConfig
from projgan.config.schema import RunConfig
from projgan.config.shapes import CHANNELS, RESOLUTIONS, Mode
from projgan.errors import CheckpointError, UsageError
from projgan.generators.base import Generator
from projgan.importers import fastgan_names as fastgan
from projgan.importers.modules import Foreign, printed
from projgan.importers.records import ForeignTensor
from projgan.importers.stylegan2_names import stylegan2_name

MAX_CLASSES = 20_000
_STYLEGAN2_NAMES = {
    (128, 2): "stylegan2",
    (512, 8): "stylegan2-512",
    (512, 2): "stylegan2-512-map2",
}
"""By length of a style and layers of the mapping."""
_FASTGAN_START = "init.init.0.weight_orig"
_FASTGAN_EMBED = "synthesis.embed.weight"
_FASTGAN_TABLES = {
    (False, True): fastgan.FASTGAN_LITE_NAMES,
    (False, False): fastgan.FASTGAN_NAMES,
    (True, True): fastgan.FASTGAN_CONDITIONAL_LITE_NAMES,
    (True, False): fastgan.FASTGAN_CONDITIONAL_NAMES,
}
"""By whether it has classes, and whether it is lite."""
_COUNTER = "num_batches_tracked"
_FILTER = ".resample_filter"


@dataclass(frozen=True)
class Fit:
    """A foreign generator in our terms.

    Attributes:
        config: builds the generator that takes its tensors.
        names: our names -> the file's, given that generator.
        is_spare: whether a tensor of the file has no use here, by its name.
    """

    config: RunConfig
    names: Callable[[nn.Module], dict[str, str]]
    is_spare: Callable[[str], bool]


def fit_generator(foreign: Foreign) -> Fit:
    """What it is.

    Raises: CheckpointError: no generator here can hold it.
    """
    if f"synthesis.{_FASTGAN_START}" in foreign.tensors:
        return _fit_fastgan(foreign)
    if "synthesis.b4.const" in foreign.tensors:
        return _fit_stylegan2(foreign)
    if any(name.startswith("synthesis.input.") for name in foreign.tensors):
        raise _no_home("it is a StyleGAN3 generator, and there is none here")
    raise _no_home("it is neither a FastGAN nor a StyleGAN2")


@torch.no_grad()
def build(foreign: Foreign, fit: Fit) -> Generator:
    """Our generator with its tensors; all of them are looked at before anything large is built.

    Raises: CheckpointError: one is missing, has another shape, is of no use here, or is not finite.
    """
    with torch.device("meta"):
        model = _make(fit)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    names = fit.names(model)
    names |= _counters(names, shapes, foreign)
    _require_all(foreign, fit, names, shapes)
    state = {ours: _taken(foreign, theirs, shapes[ours]) for ours, theirs in names.items()}
    generator = _make(fit)
    # What the file does not count stays as it was.
    generator.load_state_dict(generator.state_dict() | state, strict=True)
    return generator


def _make(fit: Fit) -> Generator:
    try:
        return make_generator(fit.config)
    except UsageError as error:
        raise _no_home(error.what) from error


def _counters(names: Mapping[str, str], shapes: Iterable[str], foreign: Foreign) -> dict[str, str]:
    """The counters of batch norms, for those that the file has."""
    found = {}
    for ours in shapes:
        path, _, leaf = ours.rpartition(".")
        if leaf == _COUNTER:
            theirs = f"{names[f'{path}.running_mean'].rpartition('.')[0]}.{_COUNTER}"
            if theirs in foreign.tensors:
                found[ours] = theirs
    return found


def _require_all(
    foreign: Foreign, fit: Fit, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise unless every tensor has its place and every place its tensor."""
    for ours, theirs in names.items():
        tensor = foreign.tensors.get(theirs)
        if tensor is None:
            raise _no_home(f"it lacks {theirs}")
        if not _fits(theirs, tensor.shape, shapes[ours]):
            raise _no_home(f"{theirs} has the shape {tensor.shape}, not {shapes[ours]}")
    for theirs in foreign.tensors.keys() - set(names.values()):
        if not fit.is_spare(theirs):
            raise _no_home(f"there is no place for {printed(theirs)}")


def _fits(theirs: str, shape: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    if theirs == _FASTGAN_EMBED:  # of its 1000 classes a set may have the first few
        return len(shape) == 2 and shape[0] >= ours[0] and shape[1] == ours[1]
    return [n for n in shape if n != 1] == [n for n in ours if n != 1]


def _taken(foreign: Foreign, theirs: str, shape: tuple[int, ...]) -> Tensor:
    value = foreign.tensors[theirs].copy()
    if not torch.isfinite(value).all():
        raise CheckpointError(f"{theirs} holds numbers that are not finite")
    if theirs == _FASTGAN_EMBED:
        value = value[: shape[0]]
    kind = torch.int64 if theirs.endswith(_COUNTER) else torch.float32
    return value.to(kind).reshape(shape)


# FastGAN.


def _fit_fastgan(foreign: Foreign) -> Fit:
    tensors = {name.removeprefix("synthesis."): value for name, value in foreign.tensors.items()}
    is_conditional = "embed.weight" in tensors
    is_lite = f"feat_8.{'conv.weight_orig' if is_conditional else '2.running_mean'}" in tensors
    table = _FASTGAN_TABLES[is_conditional, is_lite]
    start, end = _shape(tensors, _FASTGAN_START, 4), _shape(tensors, "to_big.weight_orig", 4)
    classes = 0
    if is_conditional:
        most = _shape(tensors, "embed.weight", 2)[0]
        asked = foreign.numbers.get("c_dim", most)
        classes = asked if 0 < asked <= most else most
    resolution = foreign.numbers.get("img_resolution", 0)
    config = _config(
        "fastgan-lite" if is_lite else "fastgan",
        z_dim=start[0],
        width=start[1] // 32,
        resolution=resolution,
        channels=end[0],
        classes=classes,
    )

    def names(module: nn.Module) -> dict[str, str]:
        found = fastgan.reference_names(module, table)
        return {ours: f"synthesis.{theirs}" for ours, theirs in found.items()}

    def is_spare(name: str) -> bool:
        # The reference builds its 256 px block at every resolution, and then leaves it out.
        block = re.match(r"synthesis\.(?:feat|se)_(\d{1,4})\.", name)
        return block is not None and resolution < int(block[1]) <= 256

    return Fit(config, names, is_spare)


# StyleGAN2.


def _fit_stylegan2(foreign: Foreign) -> Fit:
    tensors = foreign.tensors
    tiers = [
        int(found[1])
        for name in tensors
        if (found := re.fullmatch(r"synthesis\.b(\d{1,4})\.torgb\.weight", name))
    ]
    resolution = max(tiers, default=0)
    image, wide = _shape(tensors, f"synthesis.b{resolution}.torgb.weight", 4)[:2]
    w_dim = _shape(tensors, "mapping.w_avg", 1)[0]
    inputs = _shape(tensors, "mapping.fc0.weight", 2)[1]
    layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)
    if (w_dim, layers) not in _STYLEGAN2_NAMES:
        raise _no_home(f"its mapping has {layers} layers and styles of {w_dim} numbers")
    is_conditional = "mapping.embed.weight" in tensors
    classes = _shape(tensors, "mapping.embed.weight", 2)[1] if is_conditional else 0
    _require_filters(tensors)
    config = _config(
        _STYLEGAN2_NAMES[w_dim, layers],
        z_dim=inputs - (w_dim if is_conditional else 0),
        width=wide * resolution // 128,
        resolution=resolution,
        channels=image,
        classes=classes,
    )
    return Fit(
        config,
        names=lambda module: {ours: stylegan2_name(ours) for ours in module.state_dict()},
        is_spare=lambda name: name.endswith(_FILTER),
    )


def _require_filters(tensors: Mapping[str, ForeignTensor]) -> None:
    """Ours smooths by (1, 3, 3, 1); another filter would make another picture."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for name, tensor in tensors.items():
        if name.endswith(_FILTER) and not (
            tensor.shape == (4, 4) and torch.allclose(tensor.copy().float(), torch.outer(row, row))
        ):
            raise _no_home(f"{name} is another filter")


# Both.


def _config(
    name: str, *, z_dim: int, width: int, resolution: int, channels: int, classes: int
) -> RunConfig:
    modes = {count: mode for mode, count in CHANNELS.items()}
    if resolution not in RESOLUTIONS:
        raise _no_home(f"its pictures have {resolution} px")
    if channels not in modes:
        raise _no_home(f"its pictures have {channels} channels")
    if classes > MAX_CLASSES:
        raise _no_home(f"it has {classes:,} classes")
    try:
        generator = GeneratorConfig(name=name, z_dim=z_dim, width=width)
    except UsageError as error:
        raise _no_home(error.what) from error
    data = DataConfig(
        resolution=resolution,
        mode=cast("Mode", modes[channels]),
        conditional=classes > 0,
        # Their names are not in the file.
        classes=tuple(str(number) for number in range(classes)),
    )
    return RunConfig(data=data, generator=generator)


def _shape(tensors: Mapping[str, ForeignTensor], name: str, rank: int) -> tuple[int, ...]:
    if name not in tensors or len(tensors[name].shape) != rank:
        raise _no_home(f"it has no {name} of {rank} dimensions")
    return tensors[name].shape


def _no_home(why: str) -> CheckpointError:
    return CheckpointError(f"no generator of projgan can hold this one: {why}")
