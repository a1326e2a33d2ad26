"""Graphs from and to the configuration that Keras gives of functional models, as JSON.

The configuration is read here, and never by Keras: a file from elsewhere can name nothing but the layers of ``KINDS``, whose
settings are checked one by one. The other way round, ``keras.Model.from_config`` reads what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from braintumorseg._core.checks import wrong
from braintumorseg.models.graph import MAX_LAYERS, MAX_NAME, Graph, Node, make_node
from braintumorseg.models.settings import shown

HINT = "_needs_height_and_width_in_multiples_of_"
"""What a Keras layer's name has after the node's, where frameworks print it because sizes do not fit."""

_MODULE = "keras.layers"
_OPERATIONS = "keras.src.ops."
_TENSOR = "__keras_tensor__"
_HINTED = re.compile(rf"{HINT}\d+")
_LAYER_KEYS = {"module", "class_name", "config", "registered_name", "name", "inbound_nodes"} | {
    "build_config",
    "compile_config",
}
_CONFIG_KEYS = {"name", "trainable", "layers", "input_layers", "output_layers"}
_MERGES = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
_FUNCTIONS = {"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu", "Tanh": "tanh"}


def parse_graph(config: Any) -> Graph:
    """Read a functional model's configuration, whoever wrote it.

    Operations such as ``x + 3`` are read as the layers that do the same.

    Args:
        config: What ``keras.Model.get_config`` gives, or ``compose_graph``, as JSON holds it.

    Raises:
        ValueError: If it is of another form, or no preset can hold such a network; nothing is allocated to find out.
    """
    if not isinstance(config, Mapping) or not {"name", "layers", "input_layers", "output_layers"} <= set(config):
        msg = wrong("the model", "a functional one, of layers that are called one by one", _keys(config))
        raise ValueError(msg)
    if unknown := set(config) - _CONFIG_KEYS:
        msg = wrong("keys of the model", f"among {', '.join(sorted(_CONFIG_KEYS))}", shown(min(map(str, unknown))))
        raise ValueError(msg)
    name, layers = config["name"], config["layers"]
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        msg = wrong("name of the model", f"a text of up to {MAX_NAME} printable characters", shown(name))
        raise ValueError(msg)
    if not isinstance(layers, list) or not 0 < len(layers) <= MAX_LAYERS:
        msg = wrong("layers", f"a list of 1 to {MAX_LAYERS}", shown(layers))
        raise ValueError(msg)
    nodes = [_node(layer) for layer in layers]
    images, output = (_ends(config[key], key) for key in ("input_layers", "output_layers"))
    graph = Graph(name, _sorted(nodes, images, output))
    if not (graph.output.vector or graph.keeps_size):
        msg = wrong("the output of the model", "of the images' size, whatever it is", "another size")
        raise ValueError(msg)
    return graph


def compose_graph(graph: Graph) -> dict[str, Any]:
    """Return a graph as the configuration of a functional model, which ``parse_graph`` and Keras read.

    It is the same for equal graphs: each layer comes right after those that it takes and that came nowhere before.
    """
    first, last = graph.nodes[0], graph.nodes[-1]
    return {
        "name": graph.name,
        "layers": [_layer(graph, node) for node in _in_order(graph)],
        "input_layers": [[first.name, 0, 0]],
        "output_layers": [[last.name, 0, 0]],
    }


def _in_order(graph: Graph) -> list[Node]:
    """Return the layers in the order in which a walk back from the output leaves them."""
    nodes, ordered = {node.name: node for node in graph.nodes}, dict[str, Node]()
    waiting = [graph.nodes[-1].name]
    while waiting:
        node = nodes[waiting[-1]]
        before = [name for name in node.inputs if name not in ordered]
        if before:
            waiting += reversed(before)
        else:
            ordered[waiting.pop()] = node
    return list(ordered.values())


def plain_name(name: str) -> str:
    """Return the name of the node that a Keras layer was built for."""
    return _HINTED.sub("", name)


def _layer(graph: Graph, node: Node) -> dict[str, Any]:
    tensors = [_tensor(graph, name) for name in node.inputs]
    arguments: list[Any] = tensors if len(tensors) == 1 else [tensors]
    return {
        "module": _MODULE,
        "class_name": node.kind,
        "config": {"name": node.name, **{key: _plain(value) for key, value in node.settings.items()}},
        "registered_name": None,
        "name": node.name,
        "inbound_nodes": [{"args": arguments, "kwargs": {}}] if tensors else [],
    }


def _tensor(graph: Graph, name: str) -> dict[str, Any]:
    form = graph.forms[name]
    shape = [None, form.channels] if form.vector else [None, None, None, form.channels]
    return {"class_name": _TENSOR, "config": {"shape": shape, "dtype": "float32", "keras_history": [name, 0, 0]}}


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _node(layer: Any) -> Node:
    if (
        not isinstance(layer, Mapping)
        or not {"class_name", "config", "inbound_nodes", "name"} <= set(layer) <= _LAYER_KEYS
    ):
        msg = wrong("layers", f"tables with the keys {', '.join(sorted(_LAYER_KEYS))}", _keys(layer))
        raise ValueError(msg)
    name, kind, config, module = layer["name"], layer["class_name"], layer["config"], layer.get("module")
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(config, Mapping):
        msg = wrong("layers", "tables with a name, a class_name and a config", shown(name))
        raise ValueError(msg)
    if config.get("name", name) != name:
        msg = wrong(f"name in the config of the layer {name!r}", "the same", shown(config["name"]))
        raise ValueError(msg)
    settings = {str(key): value for key, value in config.items() if key != "name"}
    arguments = _arguments(name, layer["inbound_nodes"])
    if isinstance(module, str) and module.startswith(_OPERATIONS):
        return _operation(plain_name(name), kind, arguments, settings)
    if module != _MODULE or layer.get("registered_name") is not None:
        got = shown(kind)
        if kind in ("Functional", "Sequential", "Model"):
            got += ", a model in the model (take its layers' outputs, without calling it)"
        msg = wrong(f"the layer {name!r}", "of a class that presets can hold (models.layers.KINDS)", got)
        raise ValueError(msg)
    inputs = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    return make_node(plain_name(name), kind, [_source(name, each) for each in inputs], settings)


def _arguments(name: str, calls: Any) -> list[Any]:
    """Return what a layer is called with; once, as a layer that is shared has no one output."""
    if not isinstance(calls, list) or len(calls) > 1:
        msg = wrong(f"the layer {name!r}", "called once", shown(calls))
        raise ValueError(msg)
    if not calls:
        return []
    call = calls[0]
    if not isinstance(call, Mapping) or set(call) != {"args", "kwargs"} or not isinstance(call["args"], list):
        msg = wrong(f"inputs of the layer {name!r}", "a table with args and kwargs", shown(call))
        raise ValueError(msg)
    given = call["kwargs"]
    if not isinstance(given, Mapping) or any(
        (key, value) not in (("mask", None), ("training", None), ("training", False)) for key, value in given.items()
    ):
        msg = wrong(f"keywords of the call of the layer {name!r}", "none, or training=False", shown(given))
        raise ValueError(msg)
    return list(call["args"])


def _source(name: str, tensor: Any) -> str:
    """Return the name of the layer that gives a tensor."""
    if (
        isinstance(tensor, Mapping)
        and tensor.get("class_name") == _TENSOR
        and isinstance(tensor.get("config"), Mapping)
    ):
        history = tensor["config"].get("keras_history")
        if isinstance(history, list) and len(history) == 3 and isinstance(history[0], str) and history[1:] == [0, 0]:
            return plain_name(history[0])
    msg = wrong(f"inputs of the layer {name!r}", "outputs of other layers", shown(tensor))
    raise ValueError(msg)


def _operation(name: str, kind: str, arguments: Sequence[Any], settings: Mapping[str, Any]) -> Node:
    """Return the layer that does what an operation on tensors does, such as ``x + 3`` or ``keras.ops.relu(x)``."""
    constants = [each for each in arguments if isinstance(each, (int, float)) and not isinstance(each, bool)]
    sources = [_source(name, each) for each in arguments if each not in constants]
    if not settings and kind in _FUNCTIONS and not constants:
        return make_node(name, "Activation", sources, {"activation": _FUNCTIONS[kind]})
    if not settings and len(arguments) == 2 and not constants and kind in _MERGES:
        return make_node(name, kind, sources, {})
    if not settings and len(arguments) == 2 and len(constants) == 1:
        constant, first = float(constants[0]), arguments[0] in constants
        rescaled = {
            "Add": (1.0, constant),
            "Subtract": (-1.0, constant) if first else (1.0, -constant),
            "Multiply": (constant, 0.0),
            **({} if first or constant == 0 else {"Divide": (1 / constant, 0.0), "TrueDivide": (1 / constant, 0.0)}),
        }
        if kind in rescaled:
            scale, offset = rescaled[kind]
            return make_node(name, "Rescaling", sources, {"scale": scale, "offset": offset})
    msg = wrong(
        f"the layer {name!r}", "of a class that presets can hold (models.layers.KINDS)", f"the operation {kind}"
    )
    raise ValueError(msg)


def _ends(ends: Any, key: str) -> str:
    """Return the name of the one input or output."""
    match ends:
        case [[str(name), 0, 0]] | [str(name), 0, 0]:
            return plain_name(name)
    msg = wrong(key.replace("_", " "), "one", shown(ends))
    raise ValueError(msg)


def _sorted(nodes: Sequence[Node], images: str, output: str) -> tuple[Node, ...]:
    """Return the layers with each after those that it takes, the images first and the output last, else as they are."""
    waiting = {node.name: node for node in nodes}
    if len(waiting) != len(nodes):
        names = [node.name for node in nodes]
        msg = wrong("names of layers", "different", f"{next(name for name in names if names.count(name) > 1)!r} twice")
        raise ValueError(msg)
    for node in nodes:
        for name in node.inputs:
            if name not in waiting:
                msg = wrong(f"inputs of the layer {node.name!r}", "layers of the model", shown(name))
                raise ValueError(msg)
    for name in (images, output):
        if name not in waiting:
            msg = wrong("input and output layers", "layers of the model", shown(name))
            raise ValueError(msg)
    last = waiting.pop(output)
    ordered: dict[str, Node] = {}
    while waiting:
        ready = list(_ready(waiting, ordered))
        if not ready:
            msg = wrong("layers", "without a cycle", f"one through {min(waiting)!r}")
            raise ValueError(msg)
        for node in ready:
            ordered[node.name] = waiting.pop(node.name)
    first = [node for node in ordered.values() if node.name == images]
    return (*first, *(node for node in ordered.values() if node.name != images), last)


def _ready(waiting: Mapping[str, Node], ordered: Mapping[str, Node]) -> Iterator[Node]:
    """Return the layers whose inputs are ready, in the order of the file as far as it goes."""
    seen = set(ordered)
    for node in waiting.values():
        if seen.issuperset(node.inputs):
            seen.add(node.name)
            yield node


def _keys(value: Any) -> str:
    return shown(sorted(map(str, value))) if isinstance(value, Mapping) else shown(value)
