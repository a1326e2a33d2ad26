"""Make a preset's network one of 8 bits: measured on studies that trained it, kept only if it finds the same tumours.

The package's extra ``export`` brings what measures it (NNCF); to predict with the result needs nothing but the package.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, wrong
from braintumorseg._core.optional import lazy, require
from braintumorseg.evaluation.evaluate import evaluate
from braintumorseg.evaluation.table import Evaluation
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.io import read_study
from braintumorseg.presets.preset import CARD_FILE
from braintumorseg.presets.reader import read_preset, read_weights
from braintumorseg.presets.writer import replace_quantization
from braintumorseg.runtimes.lowering import Weights
from braintumorseg.runtimes.network import Network
from braintumorseg.runtimes.quantization import KERNEL_LEVEL
from braintumorseg.study import Study
from braintumorseg.zoo.card_writer import write_page

_openvino = lazy("braintumorseg.runtimes.openvino")

MEAN_LOSS = 0.003
"""What int8 may cost in the mean over patients of the whole-volume Dice: it has to be less."""
PATIENT_LOSS = 0.01
"""What int8 may cost any one patient: it has to be less."""
_SLICES_A_STUDY = 8
_ADDITIONS = ".*_add"  # of residual blocks; to round what they add made nothing faster, and masks worse
# Steps inside a layer, such as the variance of a normalisation, which 8 bits are too few for.
_STEPS = r".*/(?!(depthwise|bias|activation)$)[a-z0-9_]+"
_KEPT = ((), ("decoder_1", "logits"), ("decoder_1", "logits", "encoder_1"))  # the fastest first

_log = logging.getLogger(__name__)

Source = Study | str | PathLike[str]


@dataclass(frozen=True)
class Quantized:
    """What int8 costs, measured on studies that did not train the network.

    Attributes:
        float32: The evaluation in float32.
        int8: The evaluation in int8, of the same patients.
        kept: What the names of the layers start with that stayed in float32.
    """

    float32: Evaluation
    int8: Evaluation
    kept: tuple[str, ...] = ()

    @property
    def losses(self) -> dict[str, float]:
        """Whole-volume Dice in float32 minus that in int8, by patient."""
        one, other = (each.table.set_index("name")["dice"] for each in (self.float32, self.int8))
        return {str(name): float(one[name] - other[name]) for name in one.index}

    @property
    def safe(self) -> bool:
        """Whether int8 costs less than it may, in the mean and for any patient."""
        losses = self.losses.values()
        return sum(losses) / len(losses) < MEAN_LOSS and max(losses) < PATIENT_LOSS

    def __str__(self) -> str:
        losses = self.losses
        worst = max(losses, key=losses.__getitem__)
        one, other = (each.table["dice"].mean() for each in (self.float32, self.int8))
        return (
            ("all layers" if not self.kept else f"all layers but {', '.join(self.kept)}") + " in int8: "
            f"Dice, mean over {len(losses)} patients, whole volumes, every slice in: {one:.4f} in float32, {other:.4f} in "
            f"int8, a loss of {one - other:+.4f} (less than {MEAN_LOSS} is allowed); the largest of one patient is "
            f"{losses[worst]:+.4f}, {worst} (less than {PATIENT_LOSS} is allowed): "
            + ("safe" if self.safe else "not safe, and not kept")
        )


def quantize(
    preset: str | PathLike[str],
    calibration: Iterable[Source],
    validation: Sequence[Source],
    *,
    slices: int = 300,
    seed: int = 0,
) -> Quantized:
    """Measure a quantization of a preset's network, and put it into the preset's folder if it is safe.

    Values of the network are observed on slices of the calibration studies, and rounded to 8 bits between the bounds that lose
    least by the histogram of what was seen (post-training quantization by NNCF), but for what residual blocks add. What that
    costs is measured on the validation studies. Where it is too much, the layers at full resolution, which decide where a
    tumour ends, stay in float32: first the last ones. A safe quantization becomes the preset's default precision; one that is
    not leaves the preset without any.

    Args:
        preset: Folder of the preset.
        calibration: Studies that trained the network, or paths that ``read_study`` takes.
        validation: Studies with masks that did not, or their paths.
        slices: Slices to observe, 8 of each of as many studies as that takes.
        seed: Of the draw.

    Returns:
        Both evaluations, and whether int8 was safe, and so kept.

    Raises:
        DataError: If the preset or a study can't be used.
        ValueError: If there are no studies.
        ImportError: If NNCF is not installed (extra ``export``).

    References:
        Jacob et al.: "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
        2018.

    Examples:
        >>> from braintumorseg import Preprocessing, Segmenter, build_unet, load_pretrained, make_study
        >>> from braintumorseg.zoo import quantize
        >>> folder = Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=64), name="mine").save("mine")
        >>> studies = [make_study(seed, shape=(4, 64, 64)) for seed in range(4)]
        >>> quantized = quantize(folder, studies[:2], studies[2:], slices=8)
        >>> quantized.safe == (load_pretrained("mine").precision == "int8")
        True
    """
    check_integer("slices", slices, 1)
    folder = Path(preset)
    described = read_preset(folder)
    network = Network(described.name, described.graph, read_weights(folder, described))
    images = _draw(calibration, described.preprocessing.apply, slices, seed)

    def judge(quantization: Weights | None) -> Evaluation:
        segmenter = Segmenter(
            Network(network.name, network.graph, network.weights, quantization),
            described.preprocessing,
            threshold=described.threshold,
            min_voxels=described.min_voxels,
            name=described.name,
            classes=described.classes,
            nested=described.nested,
        )
        return evaluate(segmenter, validation, engine="openvino", precision="int8" if quantization else "float32")

    exact = judge(None)
    for kept in _KEPT:
        quantization = observe(network, images, kept)
        quantized = Quantized(exact, judge(quantization), kept)
        _log.info("%s", quantized)
        if quantized.safe:
            break
    written = replace_quantization(folder, quantization if quantized.safe else None)
    if (folder / CARD_FILE).exists():  # it names the precision
        write_page(folder, written)
    return quantized


def observe(
    network: Network, images: Sequence[NDArray[np.float32]], kept: Sequence[str] = ()
) -> dict[str, NDArray[np.float32]]:
    """Run images ``(height, width, channels)`` through a network, and return the quantization that suits them.

    Layers whose name starts with one of ``kept`` stay in float32, and so does what residual blocks add.

    Raises:
        ImportError: If NNCF is not installed (extra ``export``).
    """
    nncf = require("nncf", "export")
    logging.getLogger("nncf").setLevel(logging.ERROR)  # NNCF's own function also changes handlers that others share
    model = _openvino.build(network)
    model.reshape([1, *images[0].shape])
    with redirect_stdout(sys.stderr):  # NNCF draws its progress, and standard output is for results
        quantized = nncf.quantize(
            model,
            nncf.Dataset([image[None] for image in images]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                # Depthwise convolutions too, whose inputs NNCF would round by channel, which no table here holds.
                activations_quantization_params=nncf.quantization.advanced_parameters.QuantizationParameters(
                    per_channel=False
                ),
                disable_bias_correction=True,  # layer by layer, it moved the logits of a ResUNet by -0.25
                activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.HISTOGRAM,
            ),
            ignored_scope=nncf.IgnoredScope(
                patterns=[_ADDITIONS, _STEPS, *(f"{start}.*" for start in kept)], validate=False
            ),
        )
    return _read(quantized)


def _read(model: Any) -> dict[str, NDArray[np.float32]]:
    """Read bounds and kernels' scales from a model that NNCF quantized, by the names of our layers."""
    ranges: dict[str, NDArray[np.float32]] = {}
    for node in model.get_ordered_ops():
        name = node.get_friendly_name()
        if node.get_type_name() == "FakeQuantize":
            continue
        sources = [port.get_source_output().get_node() for port in node.inputs()]
        for place, source in enumerate(sources):
            if source.get_type_name() == "FakeQuantize":
                ranges[f"{name}/{place}"] = np.array([_values(source, bound).item() for bound in (1, 2)], np.float32)
        if "Convolution" in node.get_type_name() and sources[1].get_type_name() == "Multiply":
            scale = sources[1].input(1).get_source_output().get_node().get_data()
            # Depthwise kernels alone have all 8 bits: NNCF halves the integers of all others.
            level = max(KERNEL_LEVEL, int(_integers(sources[1]).max()))
            ranges[f"{name}/kernel"] = (np.abs(scale.astype(np.float32)) * level).ravel()
    return ranges


def _integers(node: Any) -> NDArray[Any]:
    """Return the magnitudes of a kernel's integers."""
    while node.get_type_name() != "Constant":
        node = node.input(0).get_source_output().get_node()
    return np.abs(np.asarray(node.get_data()).astype(np.int64))


def _values(node: Any, place: int) -> NDArray[Any]:
    return np.asarray(node.input(place).get_source_output().get_node().get_data())


def _draw(studies: Iterable[Source], apply: Any, count: int, seed: int) -> list[NDArray[np.float32]]:
    """Draw slices evenly from studies in any order, one study in memory at a time, until there are enough."""
    random = np.random.default_rng(seed)
    sources = list(studies)
    drawn: list[NDArray[np.float32]] = []
    for place in random.permutation(len(sources)):
        item = sources[place]
        images = apply(item if isinstance(item, Study) else read_study(item)).images
        chosen = random.choice(len(images), min(len(images), _SLICES_A_STUDY), replace=False)
        drawn += [images[index].copy() for index in sorted(chosen)]
        if len(drawn) >= count:
            break
    if not drawn:
        msg = wrong("calibration", "at least one study", "none")
        raise ValueError(msg)
    return drawn[:count]
