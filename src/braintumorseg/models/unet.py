"""The U-Net of Ronneberger, Fischer and Brox (2015), with normalisation and same-size convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from braintumorseg.models import topology
from braintumorseg.models.build import build
from braintumorseg.models.topology import Activation, Normalization, Pooling


def build_unet(
    input_shape: Sequence[int | None] = (None, None, 3),
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: Activation = "sigmoid",
    dropout: float = 0.0,
    normalization: Normalization = "batch",
    attention: bool = False,
    pooling: Pooling = "max",
) -> keras.Model:
    """Build a U-Net.

    Two 3x3 convolutions a block, each followed by normalisation and ReLU; halving by maximum pooling, doubling by
    transposed convolution; the encoder's features are concatenated to the decoder's at each level. Unlike the paper,
    convolutions keep the size ("same" padding), so that the output fits the input without cropping.

    Args:
        input_shape: ``(height, width, channels)``. With ``None`` for height and width, the model takes every size that is
            a multiple of ``2 ** (len(filters) - 1)``.
        classes: Number of output channels.
        filters: Channels at each level, from the top to the bottleneck; its length is the depth.
        activation: ``"sigmoid"`` for one class or independent ones, ``"softmax"`` for exclusive ones, ``None`` for logits.
        dropout: Share of feature maps that are dropped at the bottleneck in training.
        normalization: ``"batch"``, or ``"group"`` for batches too small for batch statistics.
        attention: Whether gates weigh the encoder's features by the decoder's before they are concatenated.
        pooling: How levels are halved: ``"max"``, or ``"stride"`` for a 3x3 convolution with a stride of 2.

    Returns:
        A functional model from images ``(batch, height, width, channels)`` to float32 ``(batch, height, width, classes)``.

    Raises:
        ValueError: If an argument is not as stated, or a fixed size is not a multiple that the depth can halve.

    References:
        Oktay et al.: "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018 (the gates).
        Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.

    Examples:
        >>> from braintumorseg import build_unet
        >>> model = build_unet((64, 64, 3), filters=(8, 16, 32))
        >>> model.output_shape
        (None, 64, 64, 1)
    """
    graph = topology.unet(input_shape, classes, filters, activation, dropout, normalization, attention, pooling)
    return build(graph)
