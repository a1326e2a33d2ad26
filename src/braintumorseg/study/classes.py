"""Classes of tumour tissue: the names, values and colours of a label map."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, wrong

MOST_CLASSES = 255
"""A label map is one of 8 bits, and 0 is the background."""

# Okabe and Ito (2008): told apart with any kind of colour vision. Sky blue is left to the truth.
_COLORS = ("#d55e00", "#009e73", "#f0e442", "#cc79a7", "#0072b2", "#e69f00")
_COLOR = re.compile(r"#[0-9a-f]{6}")
_MOST_CHARACTERS = 64


@dataclass(frozen=True)
class TumorClass:
    """One class of a label map.

    Attributes:
        name: Such as ``"edema"``.
        value: Its value in label maps, 1 to 255.
        color: Its colour in pictures, as ``"#rrggbb"``.
        min_voxels: Components of the class of fewer voxels become part of the class around them; 0 keeps all.

    Raises:
        ValueError: If an attribute is not as stated.

    Examples:
        >>> from braintumorseg.study import TumorClass
        >>> TumorClass("edema", 2).value
        2
    """

    name: str
    value: int
    color: str = _COLORS[0]
    min_voxels: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name.strip()) <= _MOST_CHARACTERS:
            raise ValueError(wrong("name of a class", f"a text of 1 to {_MOST_CHARACTERS} characters", repr(self.name)))
        check_integer("value of a class", self.value, 1)
        if self.value > MOST_CLASSES:
            raise ValueError(wrong("value of a class", f"1 to {MOST_CLASSES}, as a label map has 8 bits", self.value))
        if not isinstance(self.color, str) or not _COLOR.fullmatch(self.color):
            raise ValueError(wrong("color of a class", "such as '#d55e00', in lower case", repr(self.color)))
        check_integer("min_voxels of a class", self.min_voxels, 0)

    def get_config(self) -> dict[str, Any]:
        """Return the attributes as plain data that JSON can hold."""
        return asdict(self)


Classes = tuple[TumorClass, ...]

TUMOR: Classes = (TumorClass("tumor", 1),)
"""The one class of a binary mask."""

BRATS: Classes = (
    TumorClass("necrosis", 1, _COLORS[1]),
    TumorClass("edema", 2, _COLORS[0]),
    TumorClass("enhancing", 4, _COLORS[2]),
)
"""The classes of BraTS until 2022: necrotic and non-enhancing core, oedema, enhancing tumour."""


def as_classes(given: int | Sequence[str | TumorClass] | Mapping[str, int]) -> Classes:
    """Return classes from what is shortest to write.

    Args:
        given: The number of classes; their names, which get the values 1, 2 and so on; a table of values by name; or
            ``TumorClass`` records.

    Raises:
        ValueError: If there are none or more than 255, or if two have one name or one value.

    Examples:
        >>> from braintumorseg.study import as_classes
        >>> [(each.name, each.value) for each in as_classes({"necrosis": 1, "edema": 2, "enhancing": 4})]
        [('necrosis', 1), ('edema', 2), ('enhancing', 4)]
        >>> [each.name for each in as_classes(2)]
        ['class 1', 'class 2']
    """
    allowed = "a number, names, a table of values by name, or TumorClass records"
    if isinstance(given, bool | str) or not isinstance(given, int | Sequence | Mapping):
        raise ValueError(wrong("classes", allowed, repr(given)))
    if isinstance(given, int):
        check_integer("classes", given, 1)
        _check_number(given)
        if given == 1:
            return TUMOR
        given = [f"class {number}" for number in range(1, given + 1)]
    _check_number(len(given))
    pairs = (
        list(given.items()) if isinstance(given, Mapping) else list(zip(given, range(1, len(given) + 1), strict=True))
    )
    classes = tuple(
        each if isinstance(each, TumorClass) else TumorClass(each, value, _COLORS[place % len(_COLORS)])
        for place, (each, value) in enumerate(pairs)
    )
    for kind in ("name", "value"):
        found = [getattr(each, kind) for each in classes]
        if len(set(found)) < len(found):
            twice = next(each for each in found if found.count(each) > 1)
            raise ValueError(wrong("classes", f"of distinct {kind}s", f"{twice!r} twice"))
    return classes


def from_configs(configs: Sequence[Mapping[str, Any]]) -> Classes:
    """Return the classes of which ``get_config`` returned these.

    Raises:
        ValueError: If a key is missing or unknown, or a value is not allowed.
    """
    keys = {"name", "value", "color", "min_voxels"}
    if not isinstance(configs, list | tuple):
        raise ValueError(wrong("classes", "a list of tables", repr(configs)))
    for config in configs:
        if not isinstance(config, Mapping) or set(config) != keys:
            raise ValueError(wrong("classes", f"tables with exactly the keys {sorted(keys)}", repr(config)))
    return as_classes([TumorClass(**config) for config in configs])


def named_values(values: Sequence[int]) -> Classes:
    """Return classes for the values of a label map of which nobody says what they mean."""
    return as_classes({f"label {value}": int(value) for value in values})


def check_labels(name: str, labels: NDArray[Any], classes: Classes) -> NDArray[np.uint8]:
    """Return a label map in ``uint8``.

    Args:
        name: What to call it in errors.
        labels: Integer array of any shape.
        classes: The classes that it may hold, besides the background 0.

    Raises:
        ValueError: If it holds other values.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biu":
        whole = labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all())
        if not whole:
            raise ValueError(wrong(name, "whole numbers", f"dtype {labels.dtype} with fractions"))
    known = np.array([0, *(each.value for each in classes)])
    found = np.unique(labels)
    strange = found[~np.isin(found, known)]
    if strange.size:
        listed = ", ".join(f"{each.name} = {each.value}" for each in classes)
        came = ", ".join(f"{value:g}" for value in strange[:5])
        raise ValueError(
            wrong(name, f"0 and the values of its classes ({listed}); classes= states others", f"the value {came}")
        )
    return labels.astype(np.uint8, copy=False)


def _check_number(number: int) -> None:
    if not 1 <= number <= MOST_CLASSES:
        raise ValueError(wrong("classes", f"1 to {MOST_CLASSES}, the background not counted", number))
