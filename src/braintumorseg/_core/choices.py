"""The words that arguments and options choose from: one list each, for the library and for the command line.

The command line needs them to print its help. They lie here because their rooms import NumPy, pandas or Keras.
"""

from __future__ import annotations

from typing import Literal

Part = Literal["train", "val", "test"]
"""Parts of the LGG dataset's split."""

Engine = Literal["auto", "keras", "openvino", "onnxruntime"]
"""Programs that run a network."""

Precision = Literal["float32", "int8"]
"""Number formats of a prediction."""

ExportFormat = Literal["onnx", "openvino", "litert", "saved_model"]
"""File formats of other programs."""

Strategy = Literal["none", "mirrored"]
"""Ways to share a training batch between devices."""

TrainingPrecision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
"""Number formats of a training run."""

SliceScore = Literal["maximum", "area"]
"""Scores of a slice that follow from a segmentation."""
