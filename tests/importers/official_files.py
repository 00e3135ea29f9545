"""Files of the official form, made here without any official code.

Stub classes stand under the official names while a file is written, so that it has the real names
and structure: whole modules of PyTorch, spectral norms with their hooks, nested storages, classes
that bring their source along.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from projgan.generators import FastGAN, StyleGAN2
from projgan.importers import fastgan_names
from projgan.importers.stylegan2_names import stylegan2_name

SOURCE = "open({canary!r}, 'w').write('the source in the file was run')\n"
CLASSES = {
    "pg_modules.networks_fastgan": (
        "Generator",
        "DummyMapping",
        "FastganSynthesis",
        "FastganSynthesisCond",
    ),
    "pg_modules.blocks": (
        "InitLayer",
        "NoiseInjection",
        "SEBlock",
        "UpBlockSmallCond",
        "UpBlockBigCond",
        "CCBN",
    ),
    "pg_modules.discriminator": ("ProjectedDiscriminator",),
}
BUFFERS = ("w_avg", "noise_const", "resample_filter", "num_batches_tracked")
FASTGAN_TABLES = {
    "fastgan-lite": fastgan_names.FASTGAN_LITE_NAMES,
    "fastgan": fastgan_names.FASTGAN_NAMES,
    "fastgan-lite classes": fastgan_names.FASTGAN_CONDITIONAL_LITE_NAMES,
    "fastgan classes": fastgan_names.FASTGAN_CONDITIONAL_NAMES,
}


class EasyDict(dict):
    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


EasyDict.__module__ = "dnnlib.util"


def _reconstruct_persistent_obj(meta: object) -> object:
    raise AssertionError("never called")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


@contextlib.contextmanager
def official_names() -> Iterator[Callable[[str, str], type]]:
    """Stub modules of the official names; yields `(module, name) -> class`."""
    made = {}
    parents = ("pg_modules", "dnnlib", "torch_utils")
    for name in (*parents, *CLASSES, "dnnlib.util", "torch_utils.persistence"):
        made[name] = types.ModuleType(name)
    for name, classes in CLASSES.items():
        for one in classes:
            setattr(made[name], one, type(one, (nn.Module,), {"__module__": name}))
    made["dnnlib.util"].EasyDict = EasyDict
    made["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield lambda module, name: getattr(made[module], name)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def fastgan_state(generator: FastGAN, kind: str) -> dict[str, Tensor]:
    """The tensors of ours under the reference's names, counters too."""
    own = generator.state_dict()
    names = fastgan_names.reference_names(generator, FASTGAN_TABLES[kind])
    state = {f"synthesis.{theirs}": own[ours] for ours, theirs in names.items()}
    for ours, theirs in names.items():
        path, _, leaf = ours.rpartition(".")
        if leaf == "running_mean" and not theirs.endswith("stored_mean"):
            counter = f"synthesis.{theirs.rpartition('.')[0]}.num_batches_tracked"
            state[counter] = own[f"{path}.num_batches_tracked"]
    return state


def stylegan2_state(generator: StyleGAN2) -> dict[str, Tensor]:
    """The tensors of ours under the reference's names, with its filters."""
    state = {stylegan2_name(ours): value for ours, value in generator.state_dict().items()}
    for name in list(state):
        if name.endswith("const") and "conv" not in name:
            state[name] = state[name][0]
        if name.endswith("noise_strength"):
            state[name] = state[name].reshape(())
        if name.endswith("noise_const"):
            state[name] = state[name][0, 0]
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for path in {name.rpartition(".")[0] for name in state if ".conv" in name and "noise" in name}:
        state[f"{path}.resample_filter"] = torch.outer(row, row)
    return state


def fastgan_file(
    state: Mapping[str, Tensor],
    *,
    z_dim: int,
    resolution: int,
    c_dim: int = 0,
    protocol: int = 4,
    with_discriminator: bool = False,
) -> bytes:
    """A checkpoint with a FastGAN generator of these tensors."""
    with official_names() as stub:
        root = stub("pg_modules.networks_fastgan", "Generator")()
        vars(root).update(
            z_dim=z_dim, c_dim=c_dim, w_dim=z_dim, img_resolution=resolution, img_channels=3
        )
        root.add_module("mapping", stub("pg_modules.networks_fastgan", "DummyMapping")())
        kind = "FastganSynthesisCond" if c_dim else "FastganSynthesis"
        root.add_module("synthesis", stub("pg_modules.networks_fastgan", kind)())
        blocks = {"init": "InitLayer", "se": "SEBlock"}
        if c_dim:
            blocks["feat"] = "UpBlockBigCond"
        for path, tensors in _by_path(state).items():
            leaf = _leaf(tensors, path, stub)
            parent: nn.Module = root
            *way, last = path.split(".")
            for step in way:
                if step not in parent._modules:
                    name = blocks.get(step.split("_")[0]) if parent is not root else None
                    made = stub("pg_modules.blocks", name)() if name else nn.Sequential()
                    parent.add_module(step, made)
                parent = parent._modules[step]
            if last in parent._modules:  # a norm that is the parent of its own layers
                raise AssertionError(path)
            parent.add_module(last, leaf)
        discriminator = stub("pg_modules.discriminator", "ProjectedDiscriminator")()
        if with_discriminator:
            import timm

            discriminator.add_module("pretrained", timm.create_model("tf_efficientnet_lite0"))
        return _pickled(root, discriminator, {}, protocol)


def _by_path(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by module; those of a conditional norm come before the layers inside it."""
    grouped: dict[str, dict[str, Tensor]] = {}
    for name in sorted(state, key=lambda name: (name.count("."), name)):
        path, _, leaf = name.rpartition(".")
        grouped.setdefault(path, {})[leaf] = state[name]
    return grouped


def _leaf(tensors: Mapping[str, Tensor], path: str, stub: Callable[[str, str], type]) -> nn.Module:
    if "weight_orig" in tensors:
        return _normed(tensors, is_transposed=path.endswith("init.init.0"))
    if "running_mean" in tensors:
        norm = nn.BatchNorm2d(len(tensors["running_mean"]))
        norm.load_state_dict(dict(tensors), strict=False)
        return norm
    if path.endswith("embed"):
        return nn.Embedding.from_pretrained(tensors["weight"].clone())
    module: nn.Module = stub("pg_modules.blocks", "CCBN" if "bn" in path else "NoiseInjection")()
    for leaf, value in tensors.items():
        if leaf.startswith("stored"):
            module.register_buffer(leaf, value.clone())
        else:
            module.register_parameter(leaf, nn.Parameter(value.clone()))
    return module


def _normed(tensors: Mapping[str, Tensor], *, is_transposed: bool) -> nn.Module:
    shape = tensors["weight_orig"].shape
    bias = "bias" in tensors
    layer: nn.Module
    if len(shape) == 2:
        layer = nn.Linear(shape[1], shape[0], bias=bias)
    elif is_transposed:
        layer = nn.ConvTranspose2d(shape[0], shape[1], shape[2], bias=bias)
    else:
        layer = nn.Conv2d(shape[1], shape[0], shape[2], bias=bias)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = spectral_norm(layer)
    layer.load_state_dict({leaf: value.clone() for leaf, value in tensors.items()})
    layer.weight = layer.weight.detach()  # the cached one, which a file holds too
    return layer


def stylegan2_file(
    state: Mapping[str, Tensor],
    *,
    z_dim: int,
    c_dim: int = 0,
    resolution: int = 0,
    canary: str = "canary",
    protocol: int = 4,
) -> bytes:
    """A checkpoint with a StyleGAN2 generator; its classes bring a source that writes `canary`."""
    source = SOURCE.format(canary=canary)

    class Persistent(nn.Module):
        def __init__(self, name: str, settings: dict[str, object]) -> None:
            super().__init__()
            self._class_name = name
            self._init_args = ()
            self._init_kwargs = EasyDict(settings)
            self.weight_gain = np.float64(0.25)

        def __reduce__(self) -> tuple[object, ...]:
            about = {
                "type": "class",
                "version": 6,
                "module_src": source,
                "class_name": self._class_name,
                "state": dict(vars(self)),
            }
            return _reconstruct_persistent_obj, (about,)

    with official_names():
        root = Persistent("Generator", {"z_dim": z_dim, "mapping_kwargs": EasyDict(num_layers=2)})
        vars(root).update(z_dim=z_dim, c_dim=c_dim, img_resolution=resolution)
        for path, tensors in _by_path(state).items():
            module: nn.Module = root
            for step in path.split("."):
                if step not in module._modules:
                    module.add_module(step, Persistent(f"Part_{step}", {}))
                module = module._modules[step]
            for leaf, value in tensors.items():
                is_buffer = "running" in leaf or leaf in BUFFERS
                if is_buffer:
                    module.register_buffer(leaf, value.clone())
                else:
                    module.register_parameter(leaf, nn.Parameter(value.clone()))
        return _pickled(root, Persistent("Discriminator", {}), EasyDict(path="x.zip"), protocol)


def _pickled(root: nn.Module, discriminator: nn.Module, settings: object, protocol: int) -> bytes:
    content = {
        "training_set_kwargs": settings,
        "G": None,
        "D": discriminator,
        "G_ema": root.eval().requires_grad_(False),
        "progress": {
            "cur_nimg": torch.LongTensor([123_000]),
            "cur_tick": torch.LongTensor([4]),
            "batch_idx": torch.LongTensor([99]),
            "best_fid": 12.5,
        },
    }
    return pickle.dumps(content, protocol)
