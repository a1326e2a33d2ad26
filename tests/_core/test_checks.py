import numpy as np
import pytest

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg._core.optional import lazy, require


def test_one_form_for_all():
    assert wrong("size", "at least 8", 4) == "size must be at least 8; got 4"
    assert wrong("size", "at least 8", "shape (3,)") == "size must be at least 8; got shape (3,)"


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5), np.int64(1)])
def test_numbers_within_the_bounds_pass(value):
    check_range("share", value, 0, 1)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_others_do_not(value):
    with pytest.raises(ValueError, match="share must be at least 0 and at most 1; got"):
        check_range("share", value, 0, 1)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"low": 0, "low_open": True}, "more than 0; got 0"),
        ({"high": 0, "high_open": True}, "any number less than 0; got 0"),
        ({"low": 1}, "at least 1; got 0"),
        ({"low": -1, "high": 0, "high_open": True}, "at least -1 and less than 0; got 0"),
    ],
)
def test_bounds_are_told(bounds, message):
    with pytest.raises(ValueError, match=f"share must be {message}"):
        check_range("share", 0, **bounds)


@pytest.mark.parametrize("value", [3, np.int32(3)])
def test_integers_pass(value):
    check_integer("count", value, 3)


@pytest.mark.parametrize("value", [2, 3.0, True, "3"])
def test_what_is_no_such_integer_does_not(value):
    with pytest.raises(ValueError, match="count must be an integer of at least 3; got"):
        check_integer("count", value, 3)


def test_choices_are_listed():
    check_in("mode", "a", ("a", "b"))
    with pytest.raises(ValueError, match="mode must be one of 'a', 'b'; got 'c'"):
        check_in("mode", "c", ("a", "b"))


def test_missing_package_says_what_to_install():
    with pytest.raises(
        ImportError, match=r"no_such_package is not installed; run: pip install 'braintumorseg\[dicom\]'"
    ):
        require("no_such_package", "dicom")
    assert require("json", "dicom").dumps({}) == "{}"


def test_lazy_module_is_imported_at_its_first_use():
    module = lazy("colorsys")
    assert module.rgb_to_hsv(1, 0, 0) == (0, 1, 1)
    assert not hasattr(module, "no_such_name")
