"""Folders that a ``dataset.json`` describes: nnU-Net's raw data, and the Medical Segmentation Decathlon's tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.layouts.found import Channels, Found, check_names, name_channels
from braintumorseg.io.names import stem

FILE = "dataset.json"

_EXPECTED = "channel_names (or modality) and labels, as nnU-Net or the Medical Segmentation Decathlon have them"
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})(?P<ending>\.nii(?:\.gz)?)", re.IGNORECASE)


def is_described(root: Path) -> bool:
    """Tell whether a folder has the layout, or half of it."""
    return (root / FILE).is_file() or (root / "imagesTr").is_dir()


def find(root: Path) -> Found:
    """Return the training studies of nnU-Net's or the Decathlon's folder.

    Raises:
        DataError: If ``dataset.json`` is missing or is no such description, or a file that it stands for is missing.
    """
    path = root / FILE
    record = _read(path)
    channels = name_channels(path, _texts(path, record))
    labels = _labels(path, record)
    training = record.get("training")
    if isinstance(training, list) and training and not _is_split(root):
        return _decathlon(root, training, channels, labels)
    return _nnunet(root, channels, labels)


def _nnunet(root: Path, channels: Channels, labels: dict[str, int | tuple[int, ...]]) -> Found:
    """Return the studies of ``imagesTr``, one file for each channel."""
    images: dict[str, dict[int, Path]] = {}
    for file in sorted((root / "imagesTr").glob("*")) if (root / "imagesTr").is_dir() else ():
        found = _CHANNEL.fullmatch(file.name)
        if found and nifti.is_nifti(file):
            images.setdefault(found["case"], {})[int(found["channel"])] = file
    if not images:
        msg = f"{root / 'imagesTr'}: holds no study; expected NIfTI files named CASE_0000.nii.gz, one for each channel"
        raise DataError(msg)
    cases = []
    for name, files in images.items():
        ending = _CHANNEL.sub(r"\g<ending>", next(iter(files.values())).name)
        lacking = next((index for index in range(len(channels.names)) if index not in files), None)
        if lacking is not None:
            msg = f"{root / 'imagesTr' / f'{name}_{lacking:04d}{ending}'}: does not exist; {FILE} names that channel"
            raise DataError(msg)
        beyond = sorted(set(files) - set(range(len(channels.names))))
        if beyond:
            msg = f"{files[beyond[0]]}: is of a channel that {FILE} does not name; expected it in channel_names"
            raise DataError(msg)
        sequences = {sequence: files[index] for index, sequence in enumerate(channels.names) if sequence}
        label = root / "labelsTr" / f"{name}{ending}"
        mask = label if label.is_file() else None
        cases.append(Case(name, name, sequences=sequences, mask=mask, classes=_classes(labels)))
    expected = "labelsTr/CASE.nii.gz"
    return Found("nnU-Net", check_names(root, cases), expected, labels=labels, notes=channels.notes)


def _decathlon(root: Path, training: list[Any], channels: Channels, labels: dict[str, int | tuple[int, ...]]) -> Found:
    """Return the studies that ``training`` lists, all channels of one in a 4-D file."""
    cases = []
    for entry in training:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), str):
            msg = f"{root / FILE}: has {entry!r} in training; expected objects with image and label"
            raise DataError(msg)
        image = root / entry["image"]
        label = root / entry["label"] if isinstance(entry.get("label"), str) else None
        for file in (image, label):
            if file is not None and not file.is_file():
                msg = f"{file}: does not exist; {FILE} lists it in training"
                raise DataError(msg)
        name = stem(image)
        cases.append(Case(name, name, image, channels=channels.names, mask=label, classes=_classes(labels)))
    expected = f"a label beside the image in {FILE}"
    return Found(
        "Medical Segmentation Decathlon", check_names(root, cases), expected, labels=labels, notes=channels.notes
    )


def _classes(labels: Mapping[str, int | tuple[int, ...]]) -> dict[str, int] | None:
    """Return the value of each of several classes; ``None`` for one, or for regions of several values."""
    classes = {name: value for name, value in labels.items() if isinstance(value, int) and value > 0}
    regions = any(isinstance(value, tuple) for value in labels.values())
    return classes if len(classes) > 1 and not regions else None


def _is_split(root: Path) -> bool:
    """Tell whether each channel is a file of its own: the first nnU-Net lists ``training`` too, by names without channels."""
    return any(_CHANNEL.fullmatch(file.name) for file in (root / "imagesTr").glob("*_0000.*"))


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); expected it beside imagesTr and labelsTr"
        raise DataError(msg) from error
    except ValueError as error:
        msg = f"{path}: is no JSON ({error})"
        raise DataError(msg) from error
    if not isinstance(record, dict):
        msg = f"{path}: describes no dataset; expected {_EXPECTED}"
        raise DataError(msg)
    return record


def _texts(path: Path, record: Mapping[str, Any]) -> list[str]:
    """Return the channels' names in the order of their numbers."""
    stated = record.get("channel_names", record.get("modality"))
    numbered = isinstance(stated, Mapping) and all(str(key).isdecimal() for key in stated)
    if not numbered or not stated or not isinstance(record.get("labels"), Mapping):
        msg = f"{path}: describes no dataset; expected {_EXPECTED}"
        raise DataError(msg)
    ordered = sorted(stated, key=int)
    if [int(key) for key in ordered] != list(range(len(ordered))):
        msg = f"{path}: numbers its channels {', '.join(ordered)}; expected 0, 1, ..."
        raise DataError(msg)
    return [str(stated[key]) for key in ordered]


def _labels(path: Path, record: Mapping[str, Any]) -> dict[str, int | tuple[int, ...]]:
    """Return values by name: nnU-Net states them so, the Decathlon and the first nnU-Net the other way round."""
    labels: dict[str, int | tuple[int, ...]] = {}
    for key, value in record["labels"].items():
        try:
            if isinstance(value, str):
                labels[value] = int(key)
            else:
                labels[str(key)] = tuple(map(int, value)) if isinstance(value, list) else int(value)
        except (TypeError, ValueError) as error:
            msg = f"{path}: has the label {key!r}: {value!r}; expected a name and a whole number"
            raise DataError(msg) from error
    if "ignore" in labels:
        msg = f"{path}: has the label ignore, which is not read; expected masks without it"
        raise DataError(msg)
    return labels
