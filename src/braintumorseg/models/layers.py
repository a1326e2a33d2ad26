"""The stock layers of Keras that a preset can hold, in one table: settings, weights, and the size of the output of each.

A file can name nothing else. Nothing here imports Keras, so that a prediction on another runtime needs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from braintumorseg._core.checks import wrong
from braintumorseg.models.settings import (
    MAX_CHANNELS,
    MAX_SIDE,
    MAX_STEP,
    Setting,
    choice,
    flag,
    integer,
    margins,
    number,
    numbers,
    optional,
    pair,
    read_settings,
    shown,
    sizes,
)

Settings = Mapping[str, Any]
Shapes = dict[str, tuple[int, ...]]

ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
ACTIVATIONS = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh",
    "tanh_shrink",
)
"""Activation functions by Keras's names."""

_IGNORED = re.compile(r"trainable|dtype|seed|synchronized|renorm_\w+|\w+_(initializer|regularizer|constraint)")
"""What concerns training alone: Keras's configurations have it, presets do not."""
_SPATIAL = {"data_format": ("channels_last", None)}
_LAST_AXIS = {"axis": (-1, 3, [-1], [3], (-1,), (3,))}


def _activation(value: Any) -> str:
    return str(choice(*ACTIVATIONS)(ALIASES.get(value, value) if isinstance(value, str) else value))


def _groups(value: Any) -> int:
    return -1 if value == -1 else int(integer(1, MAX_CHANNELS)(value))


def _shared(value: Any) -> tuple[int, int]:
    if value not in ([1, 2], (1, 2)):
        msg = "(1, 2), height and width"
        raise ValueError(msg)
    return 1, 2


_ACTIVATION = Setting(lambda value: _activation("linear" if value is None else value), "linear")
_COUNT = Setting(integer(1, MAX_CHANNELS))
_KERNEL = Setting(pair(1, MAX_STEP))
_ONES = Setting(pair(1, MAX_STEP), (1, 1))
_PADDING = Setting(choice("valid", "same"), "valid")
_YES, _NO = Setting(flag, True), Setting(flag, False)
_EPSILON = Setting(number(1e-12, 1), 1e-3)
_RATE = Setting(number(0, 1))


@dataclass(frozen=True)
class Kind:
    """A class of layers, here one that changes neither the number of channels nor the size.

    Attributes:
        settings: The settings that a preset stores.
        fixed: Settings that may have these values alone, and are not stored.
        inputs: The least and the largest number of inputs.
    """

    settings: dict[str, Setting] = field(default_factory=dict)
    fixed: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    inputs: tuple[int, int] = (1, 1)

    @property
    def images(self) -> bool:
        """Whether the inputs must be images, and not vectors of channels."""
        return "data_format" in self.fixed

    def read(self, layer: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a layer, checked and whole; see ``read_settings``."""
        kept = {key: value for key, value in given.items() if not isinstance(key, str) or not _IGNORED.fullmatch(key)}
        return read_settings(layer, kept, self.settings, self.fixed)

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        """Return the number of channels of the output; raise ``ValueError`` if the inputs can't have theirs."""
        return inputs[0]

    def vector(self, settings: Settings, vector: bool) -> bool:
        """Tell whether the output is a vector of channels instead of an image, by whether the input is one."""
        return vector

    def rate(self, settings: Settings, axis: int) -> Fraction:
        """Return how many pixels there are for one of the input, along the height (0) or the width (1)."""
        return Fraction(1)

    def side(self, settings: Settings, axis: int, side: int) -> int:
        """Return the height (0) or the width (1) of the output, by that of the input."""
        return side

    def weights(self, settings: Settings, channels: int) -> Shapes:
        """Return the shape of each weight, by the number of channels of the input."""
        return {}

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        """Return the number of output channels of each kernel, by what is added to the layer's name."""
        return {}


@dataclass(frozen=True)
class _Input(Kind):
    def read(self, layer: str, given: Mapping[str, Any]) -> dict[str, Any]:
        settings = super().read(layer, given)
        batch, height, width, channels = settings["batch_shape"]
        if batch is not None or channels is None or max(height or 1, width or 1) > MAX_SIDE:
            allowed = f"(None, height, width, channels), sides None for any or up to {MAX_SIDE}"
            msg = wrong(f"batch_shape of the layer {layer!r}", allowed, shown(settings["batch_shape"]))
            raise ValueError(msg)
        return settings

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return int(settings["batch_shape"][3])


@dataclass(frozen=True)
class _Strided(Kind):
    """Windows that are moved by strides over the image."""

    window: str = "kernel_size"

    def read(self, layer: str, given: Mapping[str, Any]) -> dict[str, Any]:
        settings = super().read(layer, given)
        if settings.get("strides") is None:  # of pooling
            settings["strides"] = settings[self.window]
        if max(settings["strides"]) > 1 and max(settings.get("dilation_rate", (1, 1))) > 1:
            msg = wrong(f"strides of the layer {layer!r}", "1 where it is dilated", shown(settings["strides"]))
            raise ValueError(msg)
        return settings

    def rate(self, settings: Settings, axis: int) -> Fraction:
        return Fraction(1, settings["strides"][axis])

    def side(self, settings: Settings, axis: int, side: int) -> int:
        stride: int = settings["strides"][axis]
        dilation: int = settings.get("dilation_rate", (1, 1))[axis]
        size: int = settings[self.window][axis]
        if settings["padding"] == "same":
            return -(-side // stride)
        return (side - (size - 1) * dilation - 1) // stride + 1


@dataclass(frozen=True)
class _Convolution(_Strided):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        groups = settings["groups"]
        if inputs[0] % groups or settings["filters"] % groups:
            msg = wrong("groups", f"a divisor of {inputs[0]} and {settings['filters']} channels", groups)
            raise ValueError(msg)
        return int(settings["filters"])

    def weights(self, settings: Settings, channels: int) -> Shapes:
        shape = (*settings["kernel_size"], channels // settings["groups"], settings["filters"])
        return {"kernel": shape, **_bias(settings, settings["filters"])}

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        return {"": settings["filters"]}


@dataclass(frozen=True)
class _Depthwise(_Strided):
    def read(self, layer: str, given: Mapping[str, Any]) -> dict[str, Any]:
        settings = super().read(layer, given)
        if len(set(settings["strides"])) > 1:  # as TensorFlow's
            msg = wrong(f"strides of the layer {layer!r}", "the same for both sides", shown(settings["strides"]))
            raise ValueError(msg)
        return settings

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return int(inputs[0] * settings["depth_multiplier"])

    def weights(self, settings: Settings, channels: int) -> Shapes:
        count = channels * settings["depth_multiplier"]
        shape = (*settings["kernel_size"], channels, settings["depth_multiplier"])
        return {"kernel": shape, **_bias(settings, count)}

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        return {"": channels * settings["depth_multiplier"]}


@dataclass(frozen=True)
class _Separable(_Depthwise):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return int(settings["filters"])

    def weights(self, settings: Settings, channels: int) -> Shapes:
        count, filters = channels * settings["depth_multiplier"], settings["filters"]
        depthwise = (*settings["kernel_size"], channels, settings["depth_multiplier"])
        return {
            "depthwise_kernel": depthwise,
            "pointwise_kernel": (1, 1, count, filters),
            **_bias(settings, filters),
        }

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        return {"/depthwise": channels * settings["depth_multiplier"], "": settings["filters"]}


@dataclass(frozen=True)
class _Transposed(Kind):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return int(settings["filters"])

    def rate(self, settings: Settings, axis: int) -> Fraction:
        return Fraction(settings["strides"][axis])

    def side(self, settings: Settings, axis: int, side: int) -> int:
        kernel, stride = settings["kernel_size"][axis], settings["strides"][axis]
        return int(side * stride + (max(kernel - stride, 0) if settings["padding"] == "valid" else 0))

    def weights(self, settings: Settings, channels: int) -> Shapes:
        shape = (*settings["kernel_size"], settings["filters"], channels)
        return {"kernel": shape, **_bias(settings, settings["filters"])}

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        return {"": settings["filters"]}


@dataclass(frozen=True)
class _Dense(Kind):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return int(settings["units"])

    def weights(self, settings: Settings, channels: int) -> Shapes:
        return {"kernel": (channels, settings["units"]), **_bias(settings, settings["units"])}

    def kernels(self, settings: Settings, channels: int) -> dict[str, int]:
        return {"": settings["units"]}


@dataclass(frozen=True)
class _UpSampling(Kind):
    def rate(self, settings: Settings, axis: int) -> Fraction:
        return Fraction(settings["size"][axis])

    def side(self, settings: Settings, axis: int, side: int) -> int:
        return int(side * settings["size"][axis])


@dataclass(frozen=True)
class _Global(Kind):
    def vector(self, settings: Settings, vector: bool) -> bool:
        return not settings["keepdims"]

    def rate(self, settings: Settings, axis: int) -> Fraction:
        return Fraction(0)

    def side(self, settings: Settings, axis: int, side: int) -> int:
        return 1


@dataclass(frozen=True)
class _Normalization(Kind):
    names: tuple[tuple[str, str], ...] = (("scale", "gamma"), ("center", "beta"))
    more: tuple[str, ...] = ()

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        groups = settings.get("groups", 1)
        if groups != -1 and inputs[0] % groups:
            msg = wrong("groups", f"a divisor of {inputs[0]} channels", groups)
            raise ValueError(msg)
        return inputs[0]

    def weights(self, settings: Settings, channels: int) -> Shapes:
        names = [name for setting, name in self.names if settings[setting]]
        return dict.fromkeys((*names, *self.more), (channels,))


@dataclass(frozen=True)
class _Statistics(Kind):
    """Given means and variances; Keras counts what they were measured on."""

    def weights(self, settings: Settings, channels: int) -> Shapes:
        return {"mean": (channels,), "variance": (channels,), "count": ()}


@dataclass(frozen=True)
class _Slopes(Kind):
    @property
    def images(self) -> bool:
        return True

    def weights(self, settings: Settings, channels: int) -> Shapes:
        return {"alpha": (1, 1, channels)}


@dataclass(frozen=True)
class _Rescaling(Kind):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        for name in ("scale", "offset"):
            if isinstance(settings[name], tuple) and len(settings[name]) != inputs[0]:
                msg = wrong(name, f"a number or {inputs[0]} of them, one for each channel", shown(settings[name]))
                raise ValueError(msg)
        return inputs[0]


@dataclass(frozen=True)
class _Margins(Kind):
    """Rows and columns that are added (``sign`` 1) or taken away (-1)."""

    setting: str = "padding"
    sign: int = 1

    def side(self, settings: Settings, axis: int, side: int) -> int:
        return int(side + self.sign * sum(settings[self.setting][axis]))


@dataclass(frozen=True)
class _Reshape(Kind):
    """From a vector of channels to an image of one pixel."""

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        if settings["target_shape"] != (1, 1, inputs[0]):
            msg = wrong("target_shape", f"(1, 1, {inputs[0]}), one pixel", shown(settings["target_shape"]))
            raise ValueError(msg)
        return inputs[0]

    def vector(self, settings: Settings, vector: bool) -> bool:
        return False

    def rate(self, settings: Settings, axis: int) -> Fraction:
        return Fraction(0)

    def side(self, settings: Settings, axis: int, side: int) -> int:
        if side != 1:
            msg = "the layer takes one pixel, and no image"
            raise ValueError(msg)
        return 1


@dataclass(frozen=True)
class _Merge(Kind):
    inputs: tuple[int, int] = (2, 256)

    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        most = max(inputs)
        if any(count not in (1, most) for count in inputs):
            msg = wrong("inputs", "of the same number of channels, or of one", shown(list(inputs)))
            raise ValueError(msg)
        return most


@dataclass(frozen=True)
class _Concatenate(_Merge):
    def channels(self, settings: Settings, inputs: Sequence[int]) -> int:
        return sum(inputs)


def _bias(settings: Settings, count: int) -> Shapes:
    return {"bias": (count,)} if settings["use_bias"] else {}


_CONVOLUTION = {
    "kernel_size": _KERNEL,
    "strides": _ONES,
    "padding": _PADDING,
    "dilation_rate": _ONES,
    "activation": _ACTIVATION,
    "use_bias": _YES,
}
_POOL = {"pool_size": Setting(pair(1, MAX_STEP), (2, 2)), "strides": Setting(optional(pair(1, MAX_STEP)), None)}
_POOL["padding"] = _PADDING
_MULTIPLIER = {"depth_multiplier": Setting(integer(1, MAX_CHANNELS), 1)}
_NORM = {"epsilon": _EPSILON, "center": _YES, "scale": _YES}
_KEEP = {"keepdims": _NO}
_INPUT = {"sparse": (False,), "ragged": (False,), "optional": (False,)}

KINDS: dict[str, Kind] = {
    "InputLayer": _Input({"batch_shape": Setting(sizes(4, 4))}, _INPUT, (0, 0)),
    "Conv2D": _Convolution(
        {"filters": _COUNT, "groups": Setting(integer(1, MAX_CHANNELS), 1), **_CONVOLUTION}, _SPATIAL
    ),
    "DepthwiseConv2D": _Depthwise({**_MULTIPLIER, **_CONVOLUTION}, _SPATIAL),
    "SeparableConv2D": _Separable({"filters": _COUNT, **_MULTIPLIER, **_CONVOLUTION}, _SPATIAL),
    "Conv2DTranspose": _Transposed(
        {"filters": _COUNT, **{key: each for key, each in _CONVOLUTION.items() if key != "dilation_rate"}},
        {**_SPATIAL, "output_padding": (None,), "dilation_rate": ([1, 1], (1, 1), 1)},
    ),
    "Dense": _Dense({"units": _COUNT, "activation": _ACTIVATION, "use_bias": _YES}, {"quantization_config": (None,)}),
    "UpSampling2D": _UpSampling(
        {
            "size": Setting(pair(1, MAX_SIDE), (2, 2)),
            "interpolation": Setting(choice("nearest", "bilinear"), "nearest"),
        },
        _SPATIAL,
    ),
    "MaxPooling2D": _Strided(_POOL, _SPATIAL, window="pool_size"),
    "AveragePooling2D": _Strided(_POOL, _SPATIAL, window="pool_size"),
    "GlobalAveragePooling2D": _Global(_KEEP, _SPATIAL),
    "GlobalMaxPooling2D": _Global(_KEEP, _SPATIAL),
    "BatchNormalization": _Normalization(
        {**_NORM, "momentum": Setting(number(0, 1), 0.99)},
        {**_LAST_AXIS, "renorm": (False,)},
        more=("moving_mean", "moving_variance"),
    ),
    "LayerNormalization": _Normalization(_NORM, {**_LAST_AXIS, "rms_scaling": (False,)}),
    "GroupNormalization": _Normalization({"groups": Setting(_groups, 32), **_NORM}, _LAST_AXIS),
    "UnitNormalization": Kind({}, _LAST_AXIS),
    "Normalization": _Statistics({}, {**_LAST_AXIS, "invert": (False,), "mean": (None,), "variance": (None,)}),
    "Activation": Kind({"activation": Setting(_activation)}),
    "ReLU": Kind(
        {
            "max_value": Setting(optional(number(0)), None),
            "negative_slope": Setting(number(0), 0.0),
            "threshold": Setting(number(0), 0.0),
        }
    ),
    "LeakyReLU": Kind({"negative_slope": Setting(number(0), 0.3)}),
    "PReLU": _Slopes({"shared_axes": Setting(_shared)}),
    "ELU": Kind({"alpha": Setting(number(0), 1.0)}),
    "Softmax": Kind({}, _LAST_AXIS),
    "Dropout": Kind({"rate": _RATE, "noise_shape": Setting(optional(sizes(2, 4)), None)}),
    "SpatialDropout2D": Kind({"rate": _RATE}, _SPATIAL),
    "GaussianNoise": Kind({"stddev": Setting(number(0))}),
    "GaussianDropout": Kind({"rate": _RATE}),
    "Identity": Kind(),
    "ZeroPadding2D": _Margins({"padding": Setting(margins)}, _SPATIAL),
    "Cropping2D": _Margins({"cropping": Setting(margins)}, _SPATIAL, setting="cropping", sign=-1),
    "Rescaling": _Rescaling({"scale": Setting(numbers), "offset": Setting(numbers, 0.0)}),
    "Reshape": _Reshape({"target_shape": Setting(sizes(3, 3))}),
    **dict.fromkeys(("Add", "Multiply", "Average", "Maximum", "Minimum"), _Merge()),
    "Subtract": _Merge(inputs=(2, 2)),
    "Concatenate": _Concatenate({}, _LAST_AXIS),
}
"""Each class by its name in ``keras.layers``."""
