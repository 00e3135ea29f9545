"""Config -> objects: the only factory. Also the place where device and precision are decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from projgan.augment.controllers import AdaController, BalanceController, Controller
from projgan.augment.pipeline import Augment
from projgan.config.learning import AUGMENTATIONS, Compile, OptimizerConfig, Precision
from projgan.config.load import resolve
from projgan.config.networks import FeaturesConfig
from projgan.config.schema import RunConfig
from projgan.discriminators.base import Discriminator
from projgan.discriminators.fastgan import FastGANDiscriminator
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.discriminators.stylegan2 import StyleGAN2Discriminator, channels_by_width
from projgan.errors import ResourceError, UsageError
from projgan.features.catalogue import entry_of, split_names
from projgan.features.cutting import only_size
from projgan.features.weight_files import DEFAULT, find_source
from projgan.generators import fastgan as _fastgan  # noqa: F401 - registers its generators
from projgan.generators import stylegan2 as _stylegan2  # noqa: F401 - registers its generator
from projgan.generators.base import Generator, build_generator
from projgan.generators.plugin import admit, blamed, is_outside, try_out
from projgan.processes import usable_cores
from projgan.rng import derive_seed


def settle(config: RunConfig) -> RunConfig:
    """Decide what the config leaves to the machine; the result is what gets printed and saved.

    Raises: UsageError: unknown feature network. ResourceError: the device, or the weights of a
        feature network, are not there.
    """
    device = choose_device(config.training.device)
    only_sizes: list[int | None] = [None]
    if config.discriminator.is_projected:
        require_weights(config.features)
        if config.features.input_size == "reference":
            only_sizes = [only_size(name) for name in split_names(config.features.name)]
    return resolve(
        config,
        device=str(device),
        precision=choose_precision(config.training.precision, device),
        compile_networks=choose_compile(
            config.training.compile, device, recompute=config.training.recompute
        ),
        threads=config.training.threads or usable_cores(),
        only_sizes=only_sizes,
    )


def require_weights(features: FeaturesConfig) -> None:
    """Raise unless the weights of every feature network are on this machine."""
    names = split_names(features.name)
    for name, file in zip(names, features.weights or (DEFAULT,) * len(names), strict=True):
        entry_of(name)
        if features.pretrained:
            find_source(name, file)


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, then MPS, then the CPU.

    Raises: ResourceError: the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except RuntimeError as error:
        raise ResourceError(
            f"device {name!r} cannot be used: {str(error).splitlines()[0]}",
            where="setting training.device",
            next_command="--device cpu, or leave it out",
        ) from error
    return device


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """The word "auto" means bf16 where the device multiplies it natively, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    if device.type == "cpu":
        probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        native = any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
        return "bf16" if native else "fp32"
    return "fp32"


def choose_compile(name: Compile, device: torch.device, *, recompute: bool = False) -> Compile:
    """The word "auto" means on with CUDA; compiled steps were no faster on the CPUs measured.

    Networks whose maps are computed again (`recompute`) are not compiled.
    """
    if name == "auto" and recompute:
        return "off"
    if name != "auto":
        return name
    return "on" if device.type == "cuda" else "off"


def make_generator(config: RunConfig) -> Generator:
    """The generator with freshly drawn weights; they depend on the seed alone.

    Raises: UsageError: unknown name, or a size that it does not offer. RefusedError: a generator
        from outside the package whose module was not imported; see `generators.plugin.admit`.
    """
    section = config.generator
    sizes: dict[str, Any] = {
        "z_dim": section.z_dim,
        "resolution": max(config.data.size),
        "num_classes": _num_classes(config),
        "size": config.data.size,
        "channels": config.data.channels,
    }
    admit(section.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.training.seed, "generator weights"))
        with blamed(section.name):
            generator = build_generator(section.name, width=section.width, **sizes)
        if is_outside(section.name):
            try_out(generator, section.name, **sizes)
        return generator


def _num_classes(config: RunConfig) -> int:
    """Classes of a conditional run, which are settled from its pictures; otherwise 0."""
    if config.data.conditional and not config.data.classes:
        raise UsageError("the classes are not settled", where="setting data.classes")
    return len(config.data.classes)


def make_discriminator(config: RunConfig) -> Discriminator:
    """The discriminator with freshly drawn weights; they depend on the seed alone."""
    if config.discriminator.is_projected:
        return _make_projected(config)
    section, resolution = config.discriminator, max(config.data.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.training.seed, "discriminator weights"))
        if section.name == "fastgan":
            return FastGANDiscriminator(
                resolution=resolution, width=section.width, num_classes=_num_classes(config)
            )
        base, most = channels_by_width(section.width)
        return StyleGAN2Discriminator(
            resolution=resolution,
            channel_base=base,
            channel_max=most,
            num_classes=_num_classes(config),
        )


def _make_projected(config: RunConfig) -> ProjectedDiscriminator:
    """Frozen features and projection, fresh heads."""
    section = config.features
    if section.input_size == "reference":
        raise UsageError("the feature size is not settled", where="setting features.input_size")
    sizes = section.sizes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.training.seed, "heads weights"))
        return ProjectedDiscriminator(
            features=section.name,
            pretrained=section.pretrained,
            weights=section.weights if section.pretrained else (),
            input_size=sizes[0] if len(sizes) == 1 else sizes,
            level=config.projector.level,
            channels=config.projector.channels,
            expand=config.projector.expand,
            num_heads=config.heads.count,
            kind=config.heads.kind,
            num_classes=_num_classes(config),
            seed=config.training.seed,
        )


def make_augment(config: RunConfig, *, is_stronger: bool = False) -> Augment:
    """The augmentation that the step puts before the discriminator.

    Args:
        is_stronger: with every operation that the config leaves out, by chance; but for those that
            turn pictures into what they may not be (mirrored, or lying on their side).
    """
    section = config.augment
    adaptive = section.adaptive
    if is_stronger:
        kept = (*section.policy, *adaptive, "flip", "rotate90")
        adaptive = (*adaptive, *(name for name in AUGMENTATIONS if name not in kept))
    return Augment(section.policy, adaptive=adaptive, p=section.p)


def make_controller(config: RunConfig) -> Controller:
    """What decides the probability of the adaptive augmentations."""
    section = config.augment
    if section.controller == "ada":
        return AdaController(p=section.p, kimg=section.kimg, target=section.target)
    kind = BalanceController if section.controller == "balance" else Controller
    return kind(p=section.p, kimg=section.kimg)


def make_optimizers(
    config: OptimizerConfig,
    generator: nn.Module,
    discriminator_parameters: Iterable[nn.Parameter],
    *,
    penalty_every: int = 0,
) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    """Adam for the generator and for the discriminator; frozen parameters are in neither.

    Args:
        discriminator_parameters: what learns of it.
        penalty_every: where k steps are followed by one more update, by a penalty, k + 1 updates
            must count as k do: the learning rate is scaled by k / (k + 1), and betas are taken to
            that power (StyleGAN2, appendix B). 0: no such update.
    """
    share = penalty_every / (penalty_every + 1) if penalty_every else 1.0
    learned = [parameter for parameter in generator.parameters() if parameter.requires_grad]
    # In one piece: 1.4 times as fast as tensor by tensor on a CPU. MPS has it in newer torch only.
    is_fused = learned[0].device.type in ("cpu", "cuda")
    return (
        torch.optim.Adam(
            learned,
            lr=config.lr_g,
            betas=(config.beta1, config.beta2_g),
            eps=config.eps,
            fused=is_fused,
        ),
        torch.optim.Adam(
            discriminator_parameters,
            lr=config.lr_d * share,
            betas=(config.beta1**share, config.beta2_d**share),
            eps=config.eps,
            fused=is_fused,
        ),
    )
