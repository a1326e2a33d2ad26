"""Labels of whole numbers in the place of one-hot maps, in losses and metrics, on each backend."""

import numpy as np
import pytest
from keras import ops

from braintumorseg import losses
from braintumorseg.metrics import DiceScore, IoU, confusion_counts

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 4, (2, 6, 5))
MAPS = np.eye(4, dtype=np.float32)[LABELS]
SHARES = RANDOM.dirichlet(np.ones(4), LABELS.shape).astype(np.float32)
LOSSES = [losses.Dice, losses.Tversky, losses.Jaccard, losses.FocalTversky, losses.BinaryFocal]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", ["plain", "last axis", "float", "uint8"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_labels_cost_what_their_maps_cost(loss, form, from_logits):
    labels = {
        "plain": LABELS,
        "last axis": LABELS[..., None],
        "float": LABELS.astype(np.float32),
        "uint8": LABELS.astype(np.uint8),
    }[form]
    predicted = np.log(SHARES) if from_logits else SHARES
    function = loss(from_logits=from_logits)
    assert float(function(labels, predicted)) == pytest.approx(float(function(MAPS, predicted)), rel=1e-6)


def test_a_mask_without_the_axis_of_classes():
    mask, shares = (LABELS > 1).astype(np.float32), SHARES[..., :1]
    assert float(losses.Dice()(mask, shares)) == pytest.approx(float(losses.Dice()(mask[..., None], shares)))


def test_labels_that_are_ignored_take_no_part():
    labels, kept = LABELS.copy(), LABELS != 3
    labels[~kept] = 255
    ignoring = float(losses.Dice(ignore=255)(labels, SHARES))
    maps = np.where(kept[..., None], MAPS, 7)
    assert ignoring == pytest.approx(float(losses.Dice(ignore=7)(maps, SHARES)), rel=1e-6)
    assert ignoring != pytest.approx(float(losses.Dice()(LABELS, SHARES)), rel=1e-3)


@pytest.mark.parametrize("weights", [(0, 1, 1, 1), (1, 2, 3, 4)])
def test_weights_of_classes(weights):
    each = [float(losses.Dice(class_weights=np.eye(4)[place].tolist())(LABELS, SHARES)) for place in range(4)]
    weighted = float(losses.Dice(class_weights=weights)(LABELS, SHARES))
    assert weighted == pytest.approx(np.average(each, weights=weights), rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "came"), [(LABELS + 1, "1 to 4"), (LABELS - 1, "-1 to 2"), (LABELS * 0.5, "0 to 1.5")]
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_labels_of_no_channel_are_named(labels, came, as_tensor):
    given = ops.convert_to_tensor(labels.astype(np.float32)) if as_tensor else labels
    with pytest.raises(ValueError, match=rf"labels from 0 to 3 for 4 channels.*got values from {came}"):
        losses.Dice()(given, SHARES)


def test_metrics_take_labels():
    counts, expected = confusion_counts(LABELS, SHARES), confusion_counts(MAPS, SHARES)
    for one, other in zip(counts, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))


def test_metrics_infer_the_number_of_classes():
    told, inferred = DiceScore(classes=4), DiceScore()
    assert np.isnan(float(inferred.result()))
    for metric in (told, inferred):
        metric.update_state(MAPS, SHARES)
    assert float(told.result()) == float(inferred.result())
    with pytest.raises(ValueError, match=r"of shape \(batch, \*space, 4\), as classes= or the first batch says; got 3"):
        inferred.update_state(MAPS[..., :3], SHARES[..., :3])
    restored = DiceScore.from_config(inferred.get_config())
    restored.update_state(LABELS[..., None], SHARES)
    assert float(restored.result()) == float(inferred.result())


def test_metrics_leave_the_background_and_what_is_ignored_out():
    weighted, single = IoU(class_weights=(0, 1, 1, 1)), [IoU(class_id=place) for place in (1, 2, 3)]
    for metric in (weighted, *single):
        metric.update_state(LABELS, SHARES)
    assert float(weighted.result()) == pytest.approx(np.mean([float(each.result()) for each in single]), rel=1e-6)
    labels = np.where(LABELS == 3, 255, LABELS)
    counts = confusion_counts(labels, SHARES, ignore=255)
    total = sum(ops.convert_to_numpy(each) for each in counts)
    np.testing.assert_array_equal(total, np.repeat((LABELS != 3).sum((1, 2))[:, None], 4, axis=1))
    with pytest.raises(ValueError, match="class_weights must be 4 numbers"):
        IoU(class_weights=(1, 1)).update_state(LABELS, SHARES)
