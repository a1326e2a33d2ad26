"""Rules for the source tree and for what an import costs."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import braintumorseg

SOURCE = Path(braintumorseg.__file__).parent

# One total order: a file imports only from files above it.
ORDER = [
    "_version",
    "_checks",
    "_optional",
    "_files",
    "_page",
    "study",
    "phantom",
    "io.images",
    "io.names",
    "io.orientation",
    "io.resampling",
    "io.alignment",
    "io.combining",
    "io.nifti",
    "io.containers",
    "io.contrasts",
    "io.dicom_series",
    "io.stacking",
    "io.dicom",
    "io.reading",
    "io.finding",
    "io.masks",
    "io.dicom_seg",
    "io.writing",
    "io",
    "foreground",
    "interpolation",
    "preprocessing",
    "skull",
    "changes",
    "postprocessing",
    "measures._masks",
    "measures.overlap",
    "measures.surface",
    "measures.lesions",
    "measures.volume",
    "measures.diameters",
    "measures.summary",
    "measures",
    "shape.ellipsoid",
    "shape.contour",
    "shape.features",
    "shape",
    "genomics.corrections",
    "genomics.fisher",
    "genomics.effects",
    "genomics.association",
    "genomics.published",
    "genomics.pictures",
    "genomics.report",
    "genomics",
    "plots",
    "models.encoder_decoder",
    "models.unet",
    "models.resunet",
    "models.resnet",
    "models.classifier",
    "models.architecture",
    "models",
    "losses._inputs",
    "losses.functions",
    "losses.base",
    "losses.classes",
    "losses",
    "metrics",
    "augmentation.draws",
    "augmentation.geometry",
    "augmentation.intensity",
    "augmentation.pipeline",
    "augmentation",
    "lgg",
    "exploration.explore",
    "exploration.pictures",
    "exploration.report",
    "exploration",
    "splits",
    "cache",
    "pipeline",
    "engines",
    "engines.padding",
    "engines.quantization",
    "engines.network",
    "engines.keras",
    "engines.openvino",
    "engines.onnx",
    "engines.onnxruntime",
    "engines.choice",
    "callbacks",
    "card",
    "zoo",
    "zoo.bounds",
    "zoo.preset",
    "quality",
    "findings",
    "uncertainty",
    "export",
    "prediction",
    "detection.curves",
    "detection.detector",
    "segmenter",
    "many",
    "detection.detection",
    "detection.head",
    "detection.pictures",
    "detection.report",
    "detection",
    "evaluation.intervals",
    "evaluation.conventions",
    "evaluation.table",
    "evaluation.evaluate",
    "evaluation.comparison",
    "evaluation.pictures",
    "evaluation.report",
    "evaluation",
    "robustness",
    "report.images",
    "report.template",
    "report.cards",
    "report.study",
    "report.index",
    "report",
    "zoo.published",
    "zoo.cards",
    "zoo.bundled",
    "zoo.pins",
    "zoo.hub_client",
    "zoo.hub",
    "zoo.hub_card",
    "zoo.sources",
    "zoo.adapt",
    "zoo.load",
    "zoo.publish",
    "quantization",
    "training.parts",
    "training.config",
    "training.state",
    "training.rounds",
    "training.progress",
    "training.batches",
    "training.pictures",
    "training.run",
    "training",
    "disagreements",
    "cross_validation.sources",
    "cross_validation.state",
    "cross_validation.result",
    "cross_validation.run",
    "cross_validation",
    "cli._common",
    "cli._reports",
    "cli._resume",
    "cli._inputs",
    "cli.predict",
    "cli.report",
    "cli.demo",
    "cli.evaluate",
    "cli.associate",
    "cli.detect",
    "cli.train_detector",
    "cli.explore",
    "cli.train",
    "cli.cross_validate",
    "cli.quantize",
    "cli.export",
    "cli.zoo_publish",
    "cli.zoo",
    "cli",
    "__main__",
]
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.name != "__init__.py")


def module_name(path):
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imported(tree):
    """Yield (module, inside a function) for imports of this package, lazy("...") ones included."""
    functions = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    ]
    inner = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "lazy":
            names = [node.args[0].value]
        else:
            continue
        for name in names:
            yield name, id(node) in inner


def test_every_file_has_its_place_in_the_order():
    assert sorted(ORDER) == sorted(module_name(path) for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_one_way(path):
    here = module_name(path)
    above = set(ORDER[: ORDER.index(here)])
    for name, _ in imported(ast.parse(path.read_text())):
        target = name.removeprefix("braintumorseg.")
        if name.startswith("braintumorseg.") and target in ORDER:
            assert target in above or target == here, f"{here} imports {target}, which is below it"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_are_at_the_top(path):
    inside = [name for name, in_function in imported(ast.parse(path.read_text())) if in_function]
    assert inside == []


def test_public_names_exist_and_are_documented():
    for name in braintumorseg.__all__:
        value = getattr(braintumorseg, name)
        assert name == "__version__" or value.__doc__, name


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_import_loads_neither_tensorflow_nor_keras():
    loaded = run(
        "import sys, braintumorseg\n"
        "from braintumorseg import Study, Preprocessing, read_study, load_pretrained, list_pretrained\n"
        "load_pretrained(list_pretrained().index[0])\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'jax') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_a_prediction_starts_without_what_it_needs_at_its_end_or_never(tmp_path):
    """Each takes longer to import than a study to read; SciPy and nibabel come while the network is compiled."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "slice.png")
    loaded = run(
        "import sys\n"
        "from braintumorseg import load_pretrained, predict_many, read_study\n"
        f"read_study({str(tmp_path / 'slice.png')!r})\n"
        "load_pretrained('resunet-lgg').prediction()\n"
        "print([name for name in ('scipy', 'nibabel', 'pandas') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_import_is_quick():
    """In seconds of the processor, which other processes that run meanwhile do not stretch."""
    assert min(_seconds("-c", "import braintumorseg") for _ in range(3)) < 0.3


def test_help_is_quick():
    assert min(_seconds("-m", "braintumorseg", "--help") for _ in range(3)) < 0.5


def _seconds(*arguments):
    """Seconds of the processor that Python takes from its start to its end."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])  # children, in user and in system mode


def test_every_module_can_be_imported_on_its_own():
    for path in FILES:
        if path.stem == "__main__":
            continue
        importlib.import_module(f"braintumorseg.{module_name(path)}")
