import json

import pytest

from braintumorseg import Preprocessing
from braintumorseg.preprocessing import transform
from braintumorseg.preprocessing.version import VERSION
from preprocessing import golden

RECORD = "record the new outputs: python tests/preprocessing/golden.py"


@pytest.fixture(scope="module")
def found():
    return golden.outputs()


def test_outputs_are_those_of_the_version(found):
    version, recorded = golden.read()
    assert version == VERSION, f"the version of the preprocessing was raised from {version} to {VERSION}; {RECORD}"
    changed = golden.differences(recorded, found)
    assert not changed, (
        f"outputs of the preprocessing changed under version {VERSION} ({', '.join(changed)}): presets and cached studies of "
        f"before would meet another preprocessing. Raise VERSION in preprocessing/version.py and {RECORD}"
    )


def changed(study):
    """The outputs of one study that are not what was recorded."""
    return golden.differences({study: golden.read()[1][study]}, golden.outputs(study))


# Some of each file, changed by little: else the comparison above would show nothing.
@pytest.mark.parametrize(
    ("constant", "value", "output", "study"),
    [
        ("transform._PROFILE_SHARE", 0.25, "placement", "one slice"),
        ("transform._MARGIN_SHARE", 0.04, "placement", "one slice"),
        ("transform._UNIT", 2.01, "images", "one slice"),
        ("foreground._FOREGROUND_SHARE", 0.22, "foreground", "one slice"),
        ("foreground._AIR_SHARE", 0.12, "foreground", "tight"),
        ("foreground._OVER_AIR", 2.2, "foreground", "ghosts"),
        ("foreground._BOTH_SIDES_SHARE", 0.022, "foreground", "air on both sides"),
        ("skull._SMOOTH", 0.011, "brain", "tight"),
        ("skull._GROW_COST", 2.4, "brain", "tight"),
        ("skull._SLOPE_COST", 0.055, "brain", "tight"),
    ],
)
def test_a_changed_constant_changes_outputs(monkeypatch, constant, value, output, study):
    assert changed(study) == []
    monkeypatch.setattr(f"braintumorseg.preprocessing.{constant}", value)
    assert f"{output} of {study}" in changed(study)


def test_a_change_of_the_interpolation_changes_outputs(monkeypatch):
    original = transform.interpolation
    monkeypatch.setattr(
        transform, "interpolation", lambda length, source, origin, step: original(length, source, origin + 0.01, step)
    )
    assert {"images of one slice", "target of one slice"} <= set(changed("one slice"))


def test_outputs_are_not_recorded_under_the_old_version(monkeypatch, tmp_path, found):
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.json")
    monkeypatch.setattr(golden, "outputs", lambda: found)
    golden.main()
    assert golden.read() == (VERSION, found)
    monkeypatch.setattr(golden, "outputs", lambda: found | {"head": found["head"] | {"brain": [0.0]}})
    with pytest.raises(SystemExit, match=r"raise VERSION in preprocessing/version\.py first: .*brain of head"):
        golden.main()
    monkeypatch.setattr(golden, "VERSION", VERSION + 1)
    golden.main()
    assert golden.read()[0] == VERSION + 1


def test_a_configuration_of_another_version_is_refused():
    config = Preprocessing().get_config()
    assert config["version"] == Preprocessing.version == VERSION
    assert Preprocessing.from_config(json.loads(json.dumps(config))) == Preprocessing()
    with pytest.raises(
        ValueError, match=rf"version of the preprocessing must be {VERSION}, the one of this package; got 7"
    ):
        Preprocessing.from_config(config | {"version": 7})
