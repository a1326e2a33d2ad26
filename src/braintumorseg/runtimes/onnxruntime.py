"""Run a network through ONNX Runtime on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.forked import check_not_stranded
from braintumorseg._core.optional import require
from braintumorseg.runtimes.network import Network
from braintumorseg.runtimes.onnx import INPUT, build
from braintumorseg.runtimes.padding import pad


class Runner:
    """A network in a session of ONNX Runtime, which takes any size of image; a copy has a session of its own."""

    def __init__(self, network: Network, precision: str) -> None:
        check_not_stranded("onnxruntime")
        onnxruntime = require("onnxruntime", "export")
        self._network, self._precision = network, precision
        content = build(network, precision).SerializeToString()
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def __reduce__(self) -> tuple[type[Runner], tuple[Network, str]]:
        return Runner, (self._network, self._precision)

    def __call__(self, images: NDArray[np.float32], batch_size: int) -> NDArray[np.float32]:
        """Return the network's output for a stack of images; arguments and result are those of ``runtimes.keras.run``."""
        check_not_stranded("onnxruntime")
        count, height, width, _ = images.shape
        padded = pad(images, self._network.fixed, self._network.multiple)
        batches = [
            self._session.run(None, {INPUT: padded[start : start + batch_size]})[0]
            for start in range(0, count, batch_size)
        ]
        return np.asarray(np.concatenate(batches)[:, :height, :width], np.float32)
