"""The one round-trip test that every object with a config goes through."""

import inspect
import json

import keras
import numpy as np


def check_round_trip(obj, *example):
    """Assert that an object comes back from its config through JSON, equal in config and in what it computes.

    Args:
        obj: A registered Keras object: a loss, a metric, a layer.
        *example: Arguments to call it with; a metric is called once on each copy.

    Returns:
        The copy.
    """
    named = [
        parameter.name
        for parameter in inspect.signature(type(obj).__init__).parameters.values()
        if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    ]
    assert set(named) <= set(obj.get_config()), "an argument is missing in get_config"
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(obj)))
    copy = keras.saving.deserialize_keras_object(serialized)
    assert type(copy) is type(obj)
    assert json.dumps(keras.saving.serialize_keras_object(copy)) == json.dumps(serialized)
    if example:
        expected, found = (keras.tree.map_structure(keras.ops.convert_to_numpy, each(*example)) for each in (obj, copy))
        keras.tree.assert_same_structure(expected, found)
        for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True):
            np.testing.assert_array_equal(one, other)
    return copy
