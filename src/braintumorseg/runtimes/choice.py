"""The choice of what runs a network: engine, precision, and the runtime that was built for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_in, wrong
from braintumorseg._core.choices import Engine as Engine
from braintumorseg._core.choices import Precision as Precision
from braintumorseg._core.optional import lazy
from braintumorseg.runtimes.network import Network

if TYPE_CHECKING:
    import keras

_keras = lazy("braintumorseg.runtimes.keras")
_openvino = lazy("braintumorseg.runtimes.openvino")
_onnxruntime = lazy("braintumorseg.runtimes.onnxruntime")

ENGINES: tuple[Engine, ...] = get_args(Engine)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Array = NDArray[np.float32]

_DRIVERS = ("/proc/driver/nvidia/gpus", "/dev/kfd", "/dev/dxg")  # of NVIDIA, AMD, and both under Windows


class Choice(NamedTuple):
    """What runs a network.

    Attributes:
        run: From images ``(slices, height, width, channels)`` and a batch size to ``(slices, height, width, classes)``.
        engine: The engine; never ``"auto"``.
        precision: The precision of its computation.
        prepare: Builds what is needed for images of a height and a width, so that the first ones need not wait.
    """

    run: Callable[[Array, int], Array]
    engine: Engine
    precision: Precision
    prepare: Callable[[int, int], None]


class Runtimes:
    """The runtimes that were built for a network, each kept as long as its weights stay the same.

    A copy, and what arrives in another process, starts with none: compiled networks stay where they are.
    """

    def __init__(self) -> None:
        self._built: dict[tuple[Engine, Precision], tuple[Network, Any]] = {}

    def __reduce__(self) -> tuple[type[Runtimes], tuple[()]]:
        return Runtimes, ()

    def choose(
        self,
        network: Network | None,
        model: Callable[[], keras.Model],
        engine: Engine = "auto",
        precision: Precision | None = None,
        default: Precision = "float32",
        check: Callable[[tuple[int | None, ...]], None] | None = None,
        reason: str = "",
    ) -> Choice:
        """Choose an engine and a precision, and build the runtime.

        Args:
            network: The network as data; ``None`` for a model that only Keras can run.
            model: Returns the Keras model. It is called for the engine ``"keras"`` alone.
            engine: ``"auto"`` is Keras where it sees a GPU and where no other engine can run the model, else OpenVINO.
            precision: ``None`` for the default one.
            default: The precision where none is asked for, if there is a quantization.
            check: Refuses the shape of the network's output by raising ``ValueError``; all are taken if not given.
            reason: Why there is no network, for the message that refuses other engines.

        Raises:
            ValueError: If the engine can't run the network, or not in this precision; if ``check`` refuses it.
            ImportError: If the engine is not installed.
            RuntimeError: If the engine was loaded before this process was forked.
        """
        check_in("engine", engine, ENGINES)
        check_in("precision", precision, (None, *PRECISIONS))
        if network is None:
            _refuse_other_engines(reason, engine)
            engine = "keras"
        elif engine == "auto":
            engine = "keras" if precision != "int8" and gpu_is_there() else "openvino"
        if engine == "keras" or network is None:
            if precision == "int8":
                msg = wrong("precision", "'float32' for the engine keras", repr(precision))
                raise ValueError(msg)
            built = model()
            if check is not None:
                check(tuple(built.output_shape))
            return Choice(partial(_keras.run, built), "keras", "float32", _prepare_nothing)
        if check is not None:
            check((None, network.classes) if network.graph.output.vector else (None, None, None, network.classes))
        if precision is None:
            precision = default if network.quantization is not None else "float32"
        if precision == "int8" and network.quantization is None:
            msg = wrong(
                "precision", f"'float32' for {network.name}, of whose weights there is no quantization", "'int8'"
            )
            raise ValueError(msg)
        runner = self._runner(network, engine, precision)
        return Choice(runner, engine, precision, runner.prepare if engine == "openvino" else _prepare_nothing)

    def _runner(self, network: Network, engine: Engine, precision: Precision) -> Any:
        key = (engine, precision)
        if key not in self._built or self._built[key][0] is not network:
            runtime = _openvino if engine == "openvino" else _onnxruntime
            self._built[key] = (network, runtime.Runner(network, precision))
        return self._built[key][1]


def gpu_is_there() -> bool:
    """Tell whether Keras would compute on a GPU; without the driver of one, nothing is imported to find out."""
    return any(Path(driver).exists() for driver in _DRIVERS) and bool(_keras.sees_gpu())


def _refuse_other_engines(reason: str, engine: Engine) -> None:
    if engine not in ("auto", "keras"):
        msg = wrong("engine", f"'auto' or 'keras' for a model that only Keras can run ({reason})", repr(engine))
        raise ValueError(msg)


def _prepare_nothing(height: int, width: int) -> None:
    """For engines that take any size at once."""
