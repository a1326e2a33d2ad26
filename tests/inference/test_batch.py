import threading
from dataclasses import replace

import numpy as np
import pytest

from braintumorseg import DataError, load_pretrained, make_study, predict_many
from braintumorseg.inference import run_many
from braintumorseg.runtimes.choice import Runtimes
from cases import write_case
from command_line import run


@pytest.fixture(scope="module")
def segmenter():
    return load_pretrained("resunet-lgg-small")


def read(seed):
    if seed == 2:
        msg = "seed 2 is damaged"
        raise DataError(msg)
    return make_study(seed, shape=(4, 64, 64))


def test_all_come_in_order_and_a_bad_study_stops_nothing(segmenter):
    found = list(predict_many(segmenter, range(5), read=read, precision="float32"))
    assert [each.source for each in found] == [0, 1, 2, 3, 4]
    assert str(found[2].error) == "seed 2 is damaged"
    for seed in (0, 1, 3, 4):
        expected = segmenter.predict(read(seed), precision="float32")
        assert found[seed].error is None
        np.testing.assert_allclose(found[seed].segmentation.probabilities, expected.probabilities, atol=1e-6)


def test_then_gets_each_and_may_fail(segmenter):
    def then(study, segmentation, seed):
        if seed == 1:
            msg = "disk is full"
            raise DataError(msg)
        return study.name, segmentation.name

    found = list(predict_many(segmenter, [0, 1, 3], read=read, then=then))
    assert [each.result for each in found] == [("phantom-0",) * 2, None, ("phantom-3",) * 2]
    assert str(found[1].error) == "disk is full"


def test_no_more_than_a_few_are_read_ahead(segmenter):
    asked = []

    def sources():
        for seed in (0, 1, 3, 4, 5, 6, 7):
            asked.append(seed)
            yield seed

    found = predict_many(segmenter, sources(), read=read, ahead=1)
    next(found)
    assert len(asked) <= 4  # one before, one in and one behind the network, and the one that is given
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict_many")]


@pytest.fixture
def choices(monkeypatch):
    """What was chosen, each time that it was."""
    made = []

    def choose(self, *arguments):
        made.append(original(self, *arguments))
        return made[-1]

    original = Runtimes.choose
    monkeypatch.setattr(Runtimes, "choose", choose)
    return made


def test_the_engine_is_chosen_once(segmenter, choices, tmp_path):
    assert len(list(predict_many(segmenter, [0, 1], read=read))) == 2
    assert [choice.engine for choice in choices] == ["openvino"]
    for number in (1, 2):
        write_case(tmp_path / "in" / f"p{number}", number)
    assert run("predict", tmp_path / "in", "-o", tmp_path / "out").returncode == 0
    assert [choice.engine for choice in choices] == ["openvino"] * 2


def test_the_network_is_built_before_the_first_study_waits_for_it(segmenter):
    prepared = []
    prediction = segmenter.prediction()
    choice = prediction.choice._replace(prepare=lambda *size: prepared.append(size))
    assert len(list(run_many(replace(prediction, choice=choice), [0], read=read))) == 1
    assert prepared == [(192, 192)]


def test_wrong_options_are_refused_before_anything_is_read(segmenter):
    with pytest.raises(ValueError, match="engine must be one of"):
        predict_many(segmenter, [0], engine="tensorrt")


def test_other_errors_are_raised(segmenter):
    with pytest.raises(ZeroDivisionError):
        list(predict_many(segmenter, [0], read=lambda seed: 1 / seed))
    with pytest.raises(ValueError, match="ahead must be an integer of at least 1; got 0"):
        list(predict_many(segmenter, [0], read=read, ahead=0))


def test_resume_leaves_out_what_is_finished_and_unchanged(tmp_path):
    folders = [write_case(tmp_path / "in" / f"p{number}", number) for number in (1, 2, 3)]
    command = ("predict", tmp_path / "in", "-o", tmp_path / "out", "--preset", "resunet-lgg-small", "--resume")
    masks = [tmp_path / "out" / f"p{number}_mask.nii.gz" for number in (1, 2, 3)]
    assert run(*command).returncode == 0
    first = [mask.stat().st_mtime_ns for mask in masks]
    again = run(*command)
    assert (again.returncode, again.stderr) == (0, "3 of 3 studies are finished already\n")
    masks[0].unlink()
    slice_1 = folders[1] / "p2_1.tif"
    slice_1.write_bytes((folders[0] / "p1_1.tif").read_bytes())
    assert run(*command).stderr == "1 of 3 studies are finished already\n"
    assert masks[0].exists()
    assert [mask.stat().st_mtime_ns > time for mask, time in zip(masks, first, strict=True)] == [True, True, False]
    other = run(*command[:-3], "--preset", "resunet-lgg", "--resume")
    assert (other.returncode, other.stderr) == (0, "")
    assert masks[2].stat().st_mtime_ns > first[2]
    assert run(*command, "--report").returncode == 2
