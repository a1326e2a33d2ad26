"""Graphs from and to the configuration of functional models: all that is no network is refused, in one line."""

import copy
import json

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import architectures
from braintumorseg import build_resunet, build_unet
from braintumorseg.models import graph_of, topology
from braintumorseg.models.functional import compose_graph, parse_graph
from braintumorseg.models.graph import Graph, make_node

SMALL = compose_graph(topology.resunet(filters=(2, 3), dropout=0.1))
MORE = compose_graph(topology.unet(filters=(2, 3), normalization="group", input_shape=(32, None, 1)))


def layer(config, name):
    return next(each for each in config["layers"] if each["name"] == name)


def source(config, name):
    """The place of the name of the first layer that a layer takes."""
    tensor = layer(config, name)["inbound_nodes"][0]["args"][0]
    return (tensor[0] if isinstance(tensor, list) else tensor)["config"]["keras_history"]


@pytest.mark.parametrize("build", [build_resunet, build_unet, *architectures.BUILDS], ids=lambda build: build.__name__)
def test_the_way_there_and_back(build):
    model = build()
    graph = graph_of(model)
    config = json.loads(json.dumps(compose_graph(graph)))
    assert parse_graph(config) == graph
    assert compose_graph(parse_graph(config)) == config
    assert graph.shapes == {each.path: tuple(each.shape) for each in model.weights if "seed_gen" not in each.path}
    assert (*graph.size, graph.channels, graph.classes) == (*model.input_shape[1:], model.output_shape[-1])
    inputs = sum(isinstance(each, keras.layers.InputLayer) for each in model.layers)
    assert inputs == 1


def test_keras_reads_it_too():
    config = json.loads(json.dumps(SMALL))
    model = keras.Model.from_config(config)
    assert graph_of(model) == parse_graph(SMALL)


def test_a_sequential_model_has_a_graph():
    model = keras.Sequential([keras.Input((None, None, 2)), keras.layers.Conv2D(1, 3, padding="same", name="mask")])
    assert [node.name for node in graph_of(model).nodes][1:] == ["mask"]


def test_the_order_in_the_file_does_not_matter():
    config = copy.deepcopy(SMALL)
    config["layers"].reverse()
    assert parse_graph(config) == parse_graph(SMALL)


def changed(change, config=SMALL):
    config = copy.deepcopy(config)
    change(config)
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: layer(c, "logits").update(class_name="Lambda"),
            "the layer 'logits' must be of a class that presets can",
        ),
        (lambda c: layer(c, "logits").update(class_name="__import__"), "must be of a class that presets can hold"),
        (
            lambda c: layer(c, "logits").update(module="os"),
            "the layer 'logits' must be of a class that presets can hold",
        ),
        (
            lambda c: layer(c, "logits").update(registered_name="mine>Conv2D"),
            "must be of a class that presets can hold",
        ),
        (lambda c: layer(c, "logits").update(code="x"), "layers must be tables with the keys"),
        (
            lambda c: layer(c, "logits")["config"].update(call="os.system"),
            "settings of the layer 'logits' must be among",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(activation="os.system"),
            "activation of the layer 'logits' must be",
        ),
        (lambda c: layer(c, "logits")["config"].update(activation={"class_name": "Lambda"}), "activation of the layer"),
        (
            lambda c: layer(c, "logits")["config"].pop("filters"),
            "filters of the layer 'logits' must be given; got nothing",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(filters=10**12),
            "filters of the layer 'logits' must be an integer",
        ),
        (lambda c: layer(c, "logits")["config"].update(filters=0), "filters of the layer 'logits' must be an integer"),
        (
            lambda c: layer(c, "logits")["config"].update(filters=True),
            "filters of the layer 'logits' must be an integer",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(filters="1"),
            "filters of the layer 'logits' must be an integer",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(kernel_size=[1, 65]),
            "kernel_size .* two integers from 1 to 64",
        ),
        (lambda c: layer(c, "logits")["config"].update(kernel_size=[1]), "kernel_size .* two integers from 1 to 64"),
        (
            lambda c: layer(c, "logits")["config"].update(strides=[2, 0]),
            "strides of the layer 'logits' must be two int",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(groups=2),
            "the layer 'logits' can't be used: groups must be a div",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(data_format="channels_first"),
            "data_format of the layer 'logits'",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(name="other"),
            "name in the config of the layer 'logits' must be",
        ),
        (
            lambda c: layer(c, "encoder_1_norm_1")["config"].update(epsilon=0),
            "epsilon of the layer 'encoder_1_norm_1' must",
        ),
        (
            lambda c: layer(c, "encoder_1_norm_1")["config"].update(axis=1),
            "axis of the layer 'encoder_1_norm_1' must be -1",
        ),
        (lambda c: layer(c, "logits").update(name="a/b"), "name"),
        (lambda c: layer(c, "logits").update(name=["a"]), "layers must be tables with a name"),
        (
            lambda c: source(c, "logits").__setitem__(0, "nowhere"),
            "inputs of the layer 'logits' must be layers of the mod",
        ),
        (
            lambda c: source(c, "logits").__setitem__(1, 1),
            "inputs of the layer 'logits' must be outputs of other layers",
        ),
        (
            lambda c: source(c, "encoder_1_relu_1").__setitem__(0, "logits"),
            "layers must be without a cycle; got one thro",
        ),
        (lambda c: source(c, "logits").__setitem__(0, "logits"), "layers must be without a cycle"),
        (
            lambda c: source(c, "logits").__setitem__(0, "encoder_1_relu_1"),
            "layers must be ones that lead to the output",
        ),
        (lambda c: layer(c, "logits").update(inbound_nodes=[]), "inputs of the layer 'logits' must be 1 to 1; got 0"),
        (lambda c: layer(c, "logits")["inbound_nodes"].append(0), "the layer 'logits' must be called once"),
        (lambda c: layer(c, "logits")["inbound_nodes"][0].update(kwargs={"x": 1}), "keywords of the call of the layer"),
        (
            lambda c: layer(c, "logits")["inbound_nodes"][0].update(args=["images"]),
            "inputs of the layer 'logits' must be",
        ),
        (lambda c: c["layers"].append(c["layers"][-1]), "names of layers must be different; got 'probabilities' twice"),
        (lambda c: c.update(layers=[]), "layers must be a list of 1 to 2000"),
        (lambda c: c.update(layers=c["layers"] * 200), "layers must be a list of 1 to 2000"),
        (lambda c: c.update(output_layers=[["nowhere", 0, 0]]), "input and output layers must be layers of the model"),
        (lambda c: c.update(output_layers=c["output_layers"] * 2), "output layers must be one"),
        (
            lambda c: c.update(input_layers=[["logits", 0, 0]]),
            "layers must be one InputLayer first, and others after it",
        ),
        (lambda c: c.update(name=""), "name of the model must be a text"),
        (
            lambda c: c["layers"][0]["config"].update(batch_shape=[None, None, None, None]),
            "batch_shape of the layer 'imag",
        ),
        (
            lambda c: c["layers"][0]["config"].update(batch_shape=[10**6, None, None, 3]),
            "batch_shape of the layer 'image",
        ),
        (
            lambda c: c["layers"][0]["config"].update(batch_shape=[None, 5000, 10**9, 3]),
            "batch_shape of the layer 'imag",
        ),
        (
            lambda c: c["layers"][0]["config"].update(batch_shape=[None, 31, 32, 3]),
            "inputs of the layer 'decoder_1_skip'",
        ),
        (
            lambda c: layer(c, "decoder_1_up")["config"].update(strides=[3, 2]),
            "inputs of the layer 'decoder_1_skip' must be of",
        ),
        (
            lambda c: layer(c, "encoder_1_pool")["config"].update(strides=[64, 64]),
            "inputs of the layer 'decoder_1_skip'",
        ),
        (
            lambda c: layer(c, "logits")["config"].update(padding="valid", kernel_size=[3, 3]),
            "the output of the model must",
        ),
    ],
)
def test_what_is_no_network_is_refused(change, message):
    config = changed(change)
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$") as error:
        parse_graph(config)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("value", [None, [], 3, "x", {}, {"layers": []}, {"name": 1, "layers": 1, "input_layers": 1}])
def test_what_is_no_model_is_refused(value):
    with pytest.raises(ValueError, match="the model must be a functional one"):
        parse_graph(value)


def node(name, kind, *inputs, **options):
    return make_node(name, kind, inputs, options)


IMAGES = node("images", "InputLayer", batch_shape=(None, None, None, 4))


def test_sizes_that_grow_layer_by_layer_are_refused():
    """Each layer is within its bounds; their product is not."""
    doubled = [IMAGES]
    for number in range(12):
        doubled.append(node(f"double_{number}", "Concatenate", doubled[-1].name, doubled[-1].name))
    with pytest.raises(ValueError, match="the layer 'double_10' must be one of at most 4096 numbers for each pixel"):
        Graph("wide", tuple(doubled))
    enlarged, reduced = [IMAGES], [IMAGES]
    for number in range(2000):
        enlarged.append(node(f"up_{number}", "UpSampling2D", enlarged[-1].name, size=64))
        reduced.append(node(f"down_{number}", "AveragePooling2D", reduced[-1].name, pool_size=64, padding="same"))
    for nodes in (enlarged[:100], reduced[:100]):
        with pytest.raises(ValueError, match="must be at most 4096 times as small or large as the image"):
            Graph("deep", tuple(nodes))
    with pytest.raises(ValueError, match="the layer 'up_0' must be one of at most 4096 numbers for each pixel"):
        Graph("large", tuple(enlarged[:2]))
    with pytest.raises(ValueError, match="layers must be 1 to 2000; got 2001"):
        Graph("long", tuple(enlarged))


def test_layers_that_can_not_be_joined_are_refused():
    pooled = node("pooled", "GlobalAveragePooling2D", "images")
    with pytest.raises(ValueError, match="inputs of the layer 'sum' must be images; got a vector of channels"):
        Graph("mixed", (IMAGES, pooled, node("sum", "Add", "images", "pooled")))
    with pytest.raises(ValueError, match="inputs of the layer 'conv' must be images; got a vector of channels"):
        Graph("flat", (IMAGES, pooled, node("conv", "Conv2D", "pooled", filters=1, kernel_size=1)))
    wide = node("wide", "Conv2D", "images", filters=3, kernel_size=1)
    with pytest.raises(
        ValueError, match=r"the layer 'sum' can't be used: inputs must be of the same number of channels"
    ):
        Graph("widths", (IMAGES, wide, node("sum", "Add", "images", "wide")))
    with pytest.raises(ValueError, match="the layer 'eaten' must be one that leaves pixels of 64x64; got 0x0"):
        Graph("eaten", (IMAGES, node("eaten", "Cropping2D", "images", cropping=((32, 32), (32, 32)))))


def test_sides_are_multiples_of_all_strides():
    """Of the strides on any one way, and not of their product."""
    down = [node(f"down_{size}", "AveragePooling2D", "images", pool_size=size) for size in (2, 3, 4)]
    up = [node(f"up_{size}", "UpSampling2D", f"down_{size}", size=size) for size in (2, 3, 4)]
    graph = Graph("side by side", (IMAGES, *down, *up, node("mean", "Average", *(each.name for each in up))))
    assert graph.multiple == 12
    assert graph.keeps_size


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.sampled_from([10**30, -1.5, 1e300, float("inf"), "", "same", "Conv2D"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "config", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value, path=()):
    """All places in a configuration."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


PLACES = {id(config): list(places(config))[1:] for config in (SMALL, MORE)}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_change_gives_a_graph_or_a_value_error(data):
    original = data.draw(st.sampled_from([SMALL, MORE]))
    config = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(PLACES[id(original)]))
        inner = config
        try:
            for key in way:
                inner = inner[key]
            inner[last]
        except (KeyError, IndexError, TypeError):  # changed before
            continue
        if isinstance(inner, str):
            continue
        how = data.draw(st.sampled_from(["replace", "remove", "copy", "add"]))
        if how == "replace":
            inner[last] = data.draw(JSON)
        elif how == "remove":
            del inner[last]
        elif how == "copy":
            other = data.draw(st.sampled_from(PLACES[id(original)]))
            value = original
            for key in other:
                value = value[key]
            inner[last] = copy.deepcopy(value)
        elif isinstance(inner, dict):
            inner[data.draw(st.text(max_size=4))] = data.draw(JSON)
    try:
        graph, said = parse_graph(config), ""
    except ValueError as error:
        graph, said = None, str(error)
    assert "\n" not in said
    assert len(said) < 1000
    assert graph is None or parse_graph(compose_graph(graph)) == graph
