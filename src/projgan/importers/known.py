"""The closed list: every (module, name) that an official file may name. Anything else is refused.

What is named becomes an inert record, never an object: the list is a second wall behind that one.
It grows by what real checkpoints hold, pair by pair, and has no patterns.
"""

from __future__ import annotations

import torch

Pair = tuple[str, str]

ORDERED_DICT: Pair = ("collections", "OrderedDict")
EASY_DICT: Pair = ("dnnlib.util", "EasyDict")
SET: Pair = ("builtins", "set")
REBUILD_TENSOR: Pair = ("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER: Pair = ("torch._utils", "_rebuild_parameter")
STORAGE_BYTES: Pair = ("torch.storage", "_load_from_bytes")
PERSISTENT: Pair = ("torch_utils.persistence", "_reconstruct_persistent_obj")
"""A class with its source text, which the official loader would run and which is text here."""

STORAGES: dict[Pair, torch.dtype] = {
    ("torch", "FloatStorage"): torch.float32,
    ("torch", "DoubleStorage"): torch.float64,
    ("torch", "HalfStorage"): torch.float16,
    ("torch", "BFloat16Storage"): torch.bfloat16,
    ("torch", "LongStorage"): torch.int64,
    ("torch", "IntStorage"): torch.int32,
    ("torch", "ShortStorage"): torch.int16,
    ("torch", "CharStorage"): torch.int8,
    ("torch", "ByteStorage"): torch.uint8,
    ("torch", "BoolStorage"): torch.bool,
}
"""All that nested storage bytes may name."""


def _pairs(module: str, names: str) -> list[Pair]:
    return [(module, name) for name in names.split()]


_NN = {
    "activation": "GELU GLU Hardsigmoid Hardswish LeakyReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax "
    "Softplus Tanh",
    "batchnorm": "BatchNorm1d BatchNorm2d SyncBatchNorm",
    "container": "ModuleDict ModuleList Sequential",
    "conv": "Conv1d Conv2d ConvTranspose2d",
    "dropout": "Dropout Dropout2d",
    "flatten": "Flatten",
    "instancenorm": "InstanceNorm2d",
    "linear": "Identity Linear",
    "module": "Module _WrappedHook",
    "normalization": "GroupNorm LayerNorm",
    "padding": "ConstantPad2d ReflectionPad2d ZeroPad2d",
    "pooling": "AdaptiveAvgPool2d AdaptiveMaxPool2d AvgPool2d MaxPool2d",
    "sparse": "Embedding",
    "upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
}
_OFFICIAL = {
    "networks_fastgan": "Generator FastganSynthesis FastganSynthesisCond DummyMapping",
    "networks_stylegan2": "Generator MappingNetwork SynthesisNetwork SynthesisBlock SynthesisLayer "
    "ToRGBLayer FullyConnectedLayer Conv2dLayer",
    "blocks": "InitLayer NoiseInjection GLU Swish SEBlock UpBlockSmall UpBlockSmallCond UpBlockBig "
    "UpBlockBigCond CCBN DownBlock DownBlockPatch DownBlockSep SeparableConv2d CSM "
    "FeatureFusionBlock ResidualConvUnit Interpolate NormLayer BatchNorm2d StandardBatchNorm",
    "discriminator": "ProjectedDiscriminator MultiScaleD SingleDisc SingleDiscCond",
    "projector": "F_RandomProj Proj",
    "diffaug": "DiffAugment",
}
_TIMM_LAYERS = {
    "activations": "GELU HardSigmoid HardSwish Mish Sigmoid Swish Tanh",
    "adaptive_avgmax_pool": "SelectAdaptivePool2d",
    "conv2d_same": "Conv2dSame",
    "drop": "DropPath",
    "norm_act": "BatchNormAct2d",
    "squeeze_excite": "SEModule",
}
_TIMM_BLOCKS = (
    "ConvBnAct ConvReduceExpand CondConvResidual DepthwiseSeparableConv EdgeResidual "
    "InvertedResidual SqueezeExcite"
)

RECORDS: frozenset[Pair] = frozenset(
    [
        *(
            pair
            for name, names in _NN.items()
            for pair in _pairs(f"torch.nn.modules.{name}", names)
        ),
        *(
            pair
            for name, names in _OFFICIAL.items()
            for pair in _pairs(f"pg_modules.{name}", names)
        ),
        *(
            pair
            for package in ("timm.layers", "timm.models.layers")  # before and since timm 0.8
            for name, names in _TIMM_LAYERS.items()
            for pair in _pairs(f"{package}.{name}", names)
        ),
        *_pairs("timm.models.efficientnet_blocks", _TIMM_BLOCKS),
        *_pairs("timm.models._efficientnet_blocks", _TIMM_BLOCKS),
        *_pairs("timm.models.efficientnet", "EfficientNet"),
        *_pairs(
            "torch.nn.utils.spectral_norm",
            "SpectralNorm SpectralNormLoadStateDictPreHook SpectralNormStateDictHook",
        ),
        *_pairs("torch.nn.parameter", "Parameter"),
        *_pairs(
            "torch",
            "Size device float16 float32 float64 bfloat16 uint8 int8 int16 int32 int64 bool "
            "channels_last contiguous_format preserve_format strided",
        ),
        *_pairs("numpy", "dtype ndarray"),
        *_pairs("numpy.core.multiarray", "scalar _reconstruct"),
        *_pairs("numpy._core.multiarray", "scalar _reconstruct"),
    ]
)
"""Names that may stand for an object, of which only class, arguments and state are noted."""

MAPPINGS = (ORDERED_DICT, EASY_DICT)
"""Classes that become a plain dict."""

SPECIAL: frozenset[Pair] = frozenset(
    [*MAPPINGS, SET, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_BYTES, PERSISTENT]
)
"""Names whose meaning the reader works out itself."""

OFFICIAL: frozenset[Pair] = RECORDS | SPECIAL
NESTED: frozenset[Pair] = frozenset(STORAGES)
