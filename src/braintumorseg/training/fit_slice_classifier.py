"""A slice classifier from a trained segmenter: its encoder as it is, and a new head on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from braintumorseg._core.checks import DataError, wrong
from braintumorseg._core.optional import lazy
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.splits import stratified_folds
from braintumorseg.evaluation.slices.curves import best_threshold, roc_auc
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.inference.slice_classifier import SliceClassifier
from braintumorseg.presets.card import Card
from braintumorseg.study import Study

_keras = lazy("keras")
_models = lazy("braintumorseg.models")

_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_FOLDS = 5

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SliceFeatures:
    """Features that an encoder computes of slices.

    Attributes:
        values: Float64 array ``(slices, features)``: the bottleneck's channels, pooled by maximum and by mean.
        truth: Boolean array ``(slices,)``: whether there is tumour in the slice.
        names: ``(slices,)``: the patient of each slice, or the study where it was not given in a dataset.
    """

    values: Values
    truth: NDArray[np.bool_]
    names: NDArray[np.str_]


def encode_slices(segmenter: Segmenter, studies: Dataset | Iterable[Study], *, batch_size: int = 8) -> SliceFeatures:
    """Run a segmenter's encoder once over all slices.

    Args:
        segmenter: The segmenter.
        studies: Studies with masks, or a dataset of them.
        batch_size: How many slices go through the encoder at once.

    Raises:
        DataError: If a study has no mask.
    """
    architecture = _models.architecture_of(segmenter.model)
    model = build_from(segmenter)
    features = _keras.Model(model.inputs, model.get_layer("pooled").output)
    width = 2 * architecture["filters"][-1]
    values: list[Values] = [np.empty((0, width))]
    truth: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    names: list[NDArray[np.str_]] = [np.empty(0, np.str_)]
    for study in studies:
        if study.mask is None:
            msg = f"{study.name}: has no mask; a slice classifier is trained on masks"
            raise DataError(msg)
        prepared = segmenter.preprocessing.apply(study)
        features_of = np.asarray(features.predict(prepared.images, batch_size=batch_size, verbose=0), np.float64)
        slabs = prepared.placement.slabs
        mask = study.mask if slabs is None else slabs.average(study.mask.astype(np.float32)) >= 0.5
        values.append(features_of)
        truth.append(np.asarray(mask.any(axis=(1, 2))))
        patient = studies.patient(study.name) if isinstance(studies, Dataset) else study.name
        names.append(np.full(len(features_of), patient))
    return SliceFeatures(np.concatenate(values), np.concatenate(truth), np.concatenate(names))


def fit_slice_classifier(
    segmenter: Segmenter, train: SliceFeatures, val: SliceFeatures, *, name: str
) -> SliceClassifier:
    """Fit the head, and choose its threshold.

    The head is a logistic regression on standardised features, whose penalty is chosen by five-fold cross-validation over the
    patients of ``train``; the threshold is that of the highest accuracy on ``val``.

    Returns:
        The slice classifier, without scores on its card.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
        ValueError: If there are fewer training patients than folds, or slices of one kind only.
    """
    patients = sorted(set(train.names.tolist()))
    if len(patients) < _FOLDS:
        msg = wrong("train", f"at least {_FOLDS} patients", f"{len(patients)}")
        raise ValueError(msg)
    middle, scale = train.values.mean(axis=0), train.values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standard = (train.values - middle) / scale
    folds = stratified_folds(patients, dict.fromkeys(patients, "all"), _FOLDS)
    areas = []
    for penalty in _PENALTIES:
        scores = np.empty(len(standard))
        for fold in folds:
            held = np.isin(train.names, list(fold))
            weights, bias = _regress(standard[~held], train.truth[~held], penalty)
            scores[held] = standard[held] @ weights + bias
        areas.append(roc_auc(scores, train.truth))
    best = int(np.argmax(areas))
    weights, bias = _regress(standard, train.truth, _PENALTIES[best])
    kernel = weights / scale
    offset = bias - float(middle @ kernel)
    model = build_from(segmenter)
    model.get_layer("probabilities").set_weights([kernel[:, None].astype(np.float32), np.array([offset], np.float32)])
    threshold = best_threshold(expit(val.values @ kernel + offset), val.truth)
    recipe = (
        f"encoder of {segmenter.name} as it is; logistic regression on its pooled features, {len(train.truth)} slices of "
        f"{len(patients)} patients, penalty {_PENALTIES[best]:g} by {_FOLDS}-fold cross-validation over patients "
        f"(ROC AUC out of fold {areas[best]:.4f})"
    )
    card = Card(summary="Says of each slice whether there is tumour in it.", recipe=recipe)
    return SliceClassifier(model, segmenter.preprocessing, threshold=threshold, name=name, card=card)


def build_from(segmenter: Segmenter) -> Any:
    """Build a classifier with a segmenter's encoder and an untrained head."""
    architecture = _models.architecture_of(segmenter.model)
    return _models.build_classifier(
        "encoder",
        architecture["input_shape"],
        filters=architecture["filters"],
        normalization=architecture["normalization"],
        weights=segmenter.model,
    )


def _regress(values: Values, truth: NDArray[np.bool_], penalty: float) -> tuple[Values, float]:
    """Return weights and bias of a logistic regression; the penalty is half the squared weights' share of the mean loss."""
    signs = np.where(truth, 1.0, -1.0)

    def loss(parameters: Values) -> tuple[float, Values]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = signs * (values @ weights + bias)
        slope = -signs * expit(-margins) / len(signs)
        value = np.logaddexp(0, -margins).mean() + penalty / 2 * (weights @ weights)
        return float(value), np.append(values.T @ slope + penalty * weights, slope.sum())

    found = minimize(loss, np.zeros(values.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found[:-1], float(found[-1])
