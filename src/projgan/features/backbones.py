"""The frozen feature network: a picture in, four maps out, finest first.

Shape legend: B pictures, C channels, H x W pixels. For a 256 px picture and lite0 or lite1:

    images  (B,   3, 256, 256)   in [-1, 1]
    map 0   (B,  24,  64,  64)   stride 4    stem and stages 0, 1
    map 1   (B,  40,  32,  32)   stride 8    stage 2
    map 2   (B, 112,  16,  16)   stride 16   stages 3, 4
    map 3   (B, 320,   8,   8)   stride 32   stages 5, 6

A map is the linear output of the last block of its group; the head convolution and the classifier
are not built. Pictures in [-1, 1] are what these networks were trained on (mean and std 0.5), so
there is no further normalisation.

Source: Projected GANs (Sauer et al., 2021), the pretrained feature network. The paper names
Lite1; the official code uses Lite0, in a state of its own that is here called lite0-reference
(`_shift_statistics`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.errors import choose_from
from projgan.features.folding import fold_batch_norms
from projgan.features.frozen import FrozenModule
from projgan.features.weights import LITE_WEIGHTS, load_lite_state_dict
from projgan.rng import torch_stream

FEATURE_NETWORKS: dict[str, str] = {"lite0": "lite0", "lite1": "lite1", "lite0-reference": "lite0"}
"""Known feature networks, and the weights file of each."""

CHANNELS = (24, 40, 112, 320)
STRIDES = (4, 8, 16, 32)

# timm's numbers for the outputs with these strides: the last stage of each group.
_TAPS = (1, 2, 3, 4)
_CLASSIFIER = ("classifier.",)
_HEAD = ("conv_head.", "bn2.")


class FeatureNetwork(FrozenModule):
    """A frozen ImageNet network cut into four stages.

    Always in evaluation mode and without gradients of its own; gradients flow through it to the
    pictures.

    Args:
        name: one of FEATURE_NETWORKS.
        pretrained: ImageNet weights. False: random weights, always the same ones (for tests).
        input_size: side in pixels to which pictures are resized first; None: as they are.

    Attributes:
        channels: channels of the four maps.
        strides: pixels of the picture for one step in the map: (4, 8, 16, 32).

    Raises:
        UsageError: unknown name.
        ResourceError: the weights are not installed.
        CheckpointError: the weights file is damaged.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __init__(
        self, name: str = "lite0", *, pretrained: bool = True, input_size: int | None = None
    ) -> None:
        super().__init__()
        self.name = name
        self.input_size = input_size
        self.network = _build_stages(name, pretrained)
        self.channels, self.strides = CHANNELS, STRIDES
        self._freeze()

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> four maps (B, C, H / stride, W / stride), finest first."""
        return list(self.network(self.resize(images)))

    def resize(self, images: Tensor) -> Tensor:
        """The pictures at `input_size` x `input_size`: bilinear, half-pixel centres, no antialias.

        That is the reference's resize. It only ever enlarges there: 64 and 128 px pictures to 224.
        """
        size = self.input_size
        if size is None or images.shape[-2:] == (size, size):
            return images
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def build_classifier_trunk(name: str) -> nn.Module:
    """The pretrained network up to its pooled features: (B, 3, H, W) in [-1, 1] -> (B, 1280).

    Frozen, like the stages.

    Args:
        name: a key of LITE_WEIGHTS.

    Raises: as `load_lite_state_dict`.
    """
    state = load_lite_state_dict(name)
    network = _empty(name, stages=False)
    _load(network, _without(state, _CLASSIFIER))
    fold_batch_norms(network)
    return network


def _build_stages(name: str, pretrained: bool) -> nn.Module:
    if name not in FEATURE_NETWORKS:
        raise choose_from("feature network", name, tuple(FEATURE_NETWORKS))
    weights = FEATURE_NETWORKS[name]
    network = _empty(weights, stages=True)
    if pretrained:
        state = _without(load_lite_state_dict(weights), _HEAD + _CLASSIFIER)
    else:
        state = _random_state(network, weights)
    _load(network, state)
    if name == "lite0-reference":
        _shift_statistics(network)
    fold_batch_norms(network)
    return network


def _empty(weights: str, *, stages: bool) -> nn.Module:
    """A timm network without storage: nothing is drawn from the global random stream for it."""
    import timm  # noqa: PLC0415 - slow to import, and not needed to read this module

    model = LITE_WEIGHTS[weights].timm_model
    with torch.device("meta"):
        if stages:
            return timm.create_model(model, pretrained=False, features_only=True, out_indices=_TAPS)
        return timm.create_model(model, pretrained=False, num_classes=0)


def _load(network: nn.Module, state: dict[str, Tensor]) -> None:
    # strict (the default): a missing or an extra name is an error, never a half-loaded network.
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)


def _without(state: dict[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(prefixes)}


@torch.no_grad()
def _shift_statistics(network: nn.Module) -> None:
    """Move the BatchNorm statistics to where the official code leaves them.

    The official numbers are those of a backbone that has seen one all-zero (mid-grey) 224 px
    picture in training mode: every running mean and variance has moved a tenth of the way to the
    statistics of that one flat picture, as a probe for the maps' shapes would leave them. On
    noise the maps differ by up to 40 % of their range from the ImageNet network's. With the shift
    the parity files agree to 3e-6; without it they do not agree at all.

    Deviation: "lite0" and "lite1" keep the statistics that the network was trained with. For the
    official numbers ask for "lite0-reference".
    """
    network.train()
    network(torch.zeros(1, 3, 224, 224, device="cpu"))
    network.eval()


def _random_state(network: nn.Module, weights: str) -> dict[str, Tensor]:
    """Random convolutions (He et al., 2015) and neutral norms for a network on the meta device."""
    stream = torch_stream(0, f"random features {weights}")
    state = {}
    for key, value in network.state_dict().items():
        if value.dim() == 4:
            fan_in = value[0].numel()
            draw = torch.randn(value.shape, generator=stream, device="cpu")
            state[key] = draw * (2.0 / fan_in) ** 0.5
        elif key.endswith(("weight", "running_var")):
            state[key] = torch.ones(value.shape, device="cpu")
        else:
            state[key] = torch.zeros(value.shape, dtype=value.dtype, device="cpu")
    return state
