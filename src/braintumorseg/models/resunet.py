"""The residual U-Net of Zhang, Liu and Wang (2018), with the residual block of He et al. (2016)."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from braintumorseg.models import topology
from braintumorseg.models.build import build
from braintumorseg.models.topology import Activation, Normalization, Pooling


def build_resunet(
    input_shape: Sequence[int | None] = (None, None, 3),
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: Activation = "sigmoid",
    dropout: float = 0.0,
    normalization: Normalization = "batch",
    attention: bool = False,
    pooling: Pooling = "max",
) -> keras.Model:
    """Build a residual U-Net.

    A U-Net whose blocks are residual: two 3x3 convolutions with normalisation, added to the block's input, which passes
    a 1x1 convolution with normalisation where the number of channels changes. As in He et al. (2016), the last ReLU
    follows the addition; as in a U-Net, and unlike Zhang et al. (2018), levels are halved by maximum pooling and doubled by
    transposed convolution, which every export format takes.

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
        Zhang, Liu, Wang: "Road Extraction by Deep Residual U-Net", IEEE GRSL 2018.
        He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples:
        >>> from braintumorseg import build_resunet
        >>> model = build_resunet((64, 64, 3), filters=(8, 16, 32))
        >>> model.output_shape
        (None, 64, 64, 1)
    """
    graph = topology.resunet(input_shape, classes, filters, activation, dropout, normalization, attention, pooling)
    return build(graph)
