"""One description of the layers, from which Keras models and other engines' networks are made."""

import inspect
import subprocess
import sys

import pytest

from braintumorseg.models import ARCHITECTURES
from braintumorseg.models.topology import GRAPHS, residual_encoder

OPTIONS = [
    {},
    {"filters": (4, 8, 16), "attention": True, "pooling": "stride"},
    {"filters": (4, 8), "normalization": "group", "pooling": "stride"},
    {"filters": (4, 8), "classes": 3, "activation": "softmax"},
    {"filters": (4, 8, 9), "activation": None, "dropout": 0.1, "normalization": "group", "input_shape": (32, 64, 2)},
    {"filters": (3, 5)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", GRAPHS)
def test_the_keras_model_has_just_these_layers_and_weights(name, options):
    graph, model = GRAPHS[name](**options), ARCHITECTURES[name](**options)
    names = [layer.name.partition("_needs_")[0] for layer in model.layers]
    assert sorted(names) == sorted(node.name for node in graph.nodes)
    for node in graph.nodes:
        layer = model.layers[names.index(node.name)]
        assert layer.output.shape[-1] == graph.forms[node.name].channels
    weights = {weight.path: tuple(weight.shape) for weight in model.weights if "seed_generator" not in weight.path}
    assert graph.shapes == weights
    assert (
        graph.parameters == model.count_params() - sum("seed_generator" in weight.path for weight in model.weights) * 2
    )
    assert (*graph.size, graph.channels) == model.input_shape[1:]
    assert graph.classes == model.output_shape[-1]
    assert graph.multiple == 2 ** (len(options.get("filters", (0,) * 5)) - 1)


@pytest.mark.parametrize("name", GRAPHS)
def test_arguments_are_those_of_the_builder(name):
    described, built = (inspect.signature(table[name]).parameters for table in (GRAPHS, ARCHITECTURES))
    assert {key: each.default for key, each in described.items()} == {key: each.default for key, each in built.items()}


def test_each_layer_comes_after_those_that_it_takes():
    seen = set()
    for node in GRAPHS["resunet"]().nodes:
        assert set(node.inputs) <= seen
        assert node.name not in seen
        seen.add(node.name)


def test_the_encoder_is_that_of_the_resunet():
    whole = GRAPHS["resunet"](filters=(4, 8, 16)).nodes
    encoder = residual_encoder((None, None, 3), (4, 8, 16), "batch").nodes
    assert whole[: len(encoder)] == encoder
    assert encoder[-1].name == "bottleneck_relu_2"


def test_it_needs_no_keras():
    script = (
        "import sys\n"
        "import braintumorseg.models\n"
        "from braintumorseg.models import functional, topology\n"
        "graph = topology.unet()\n"
        "assert functional.parse_graph(functional.compose_graph(graph)) == graph\n"
        "print([name for name in ('keras', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
