import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import braintumorseg
from braintumorseg import DataError, LGGDataset, dice, list_pretrained, load_pretrained, make_study
from braintumorseg.datasets import lgg_split
from braintumorseg.models import ARCHITECTURES, architecture_of
from braintumorseg.presets.preset import WEIGHTS_FILE

GOLDEN = Path(__file__).with_name("golden.json")
BUNDLED = Path(braintumorseg.__file__).parent / "presets" / "weights"


def golden_output(name):
    """What a preset says of one phantom in float32: the mean probability of each slice, and the mask's size."""
    found = load_pretrained(name).predict(make_study(seed=0), precision="float32")
    return {"means": found.probabilities.mean(axis=(1, 2)).tolist(), "voxels": found.voxels}


@pytest.mark.parametrize("name", list_pretrained().index)
def test_golden_output(name):
    expected, found = json.loads(GOLDEN.read_text())[name], golden_output(name)
    np.testing.assert_allclose(found["means"], expected["means"], atol=2e-4)
    assert found["voxels"] == pytest.approx(expected["voxels"], rel=0.005)


def test_resunet_lgg_is_there():
    assert "resunet-lgg" in list_pretrained().index


@pytest.mark.parametrize("name", list_pretrained().index)
def test_bundled_preset_is_complete(name):
    segmenter = load_pretrained(name)
    assert segmenter.name == name
    assert segmenter.model.output_shape == (None, None, None, 1)
    assert 0 < segmenter.threshold < 1
    card = segmenter.card
    assert all(
        getattr(card, field) for field in ("summary", "data", "split", "recipe", "licence", "intended_use", "limits")
    )
    assert [score.convention.split(",")[0] for score in card.scores[:2]] == [
        "mean over patients",
        "median over patients",
    ]
    assert all("every slice in" in score.convention for score in card.scores[:2])


@pytest.mark.parametrize("name", list_pretrained().index)
def test_bundled_weights_are_small(name):
    assert (BUNDLED / name / WEIGHTS_FILE).stat().st_size <= 10 * 2**20


def test_finds_the_tumours_of_phantoms():
    """Trained on patients only; a phantom that it fails on would make the demo pointless."""
    segmenter = load_pretrained("resunet-lgg")
    for seed in range(3):
        study = make_study(seed)
        assert dice(study.mask, segmenter.predict(study).mask) > 0.6, seed


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match=r"name must be one of .*resunet-lgg.*; got 'resnet'"):
        load_pretrained("resnet")


def test_an_unknown_name_costs_no_heavy_import():
    """Command lines rely on it, and need no list of names of their own."""
    script = (
        "import sys, braintumorseg\n"
        "try: braintumorseg.load_pretrained('resnet')\n"
        "except ValueError as error: print(error)\n"
        "print(sorted({'pandas', 'keras', 'tensorflow', 'openvino', 'huggingface_hub'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    message, imported = done.stdout.splitlines()
    names = ", ".join(list_pretrained().index)
    allowed = f"one of {names}, hf://owner/repo[@revision], or a folder that holds braintumorseg.json"
    assert (message, imported) == (f"name must be {allowed}; got 'resnet'", "[]")


def test_damaged_bundle_is_found_before_it_is_used(tmp_path, monkeypatch):
    folder = tmp_path / "presets" / "resunet-lgg"
    folder.mkdir(parents=True)
    for file in (BUNDLED / "resunet-lgg").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = bytearray((folder / WEIGHTS_FILE).read_bytes())
    weights[100_000] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(weights)
    monkeypatch.setattr("braintumorseg.presets.bundled.BUNDLED", tmp_path / "presets")
    with pytest.raises(
        DataError, match=r"model\.safetensors: damaged or not the weights of resunet-lgg: expected SHA-256"
    ):
        load_pretrained("resunet-lgg")


def test_loading_takes_little_more_than_building():
    """The bar of benchmarks/bench_load.py, in seconds of the processor, which other processes do not stretch."""
    model = load_pretrained("resunet-lgg").model
    arguments = architecture_of(model)
    build = ARCHITECTURES[arguments.pop("name")]
    arrays = {variable.path: np.asarray(variable) for variable in model.weights}

    def build_and_assign():
        for variable in build(**arguments).weights:
            variable.assign(arrays[variable.path])

    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    rounds = [(seconds(lambda: load_pretrained("resunet-lgg").model), seconds(build_and_assign)) for _ in range(3)]
    ours, least = map(min, zip(*rounds, strict=True))
    assert ours < 1.5 * least


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc, where the process's own peak is read")
def test_memory_of_a_long_study_is_bounded():
    """A whole process that predicts 88 slices of 256x256 stays under 2.5 GB resident."""
    script = (  # ru_maxrss would be that of the process that starts this one, if that is the larger
        "from pathlib import Path\n"
        "from braintumorseg import load_pretrained, make_study\n"
        "load_pretrained('resunet-lgg').predict(make_study(0, shape=(88, 256, 256)))\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 2.5e9


@pytest.mark.lgg
@pytest.mark.parametrize("name", list_pretrained().index)
def test_val_figures_are_those_of_the_card(lgg_root, name):
    """Three val patients measured again: the lowest, the middle and the highest of the card."""
    segmenter = load_pretrained(name)
    patients = list(segmenter.card.patients)
    assert sorted(patients) == sorted(lgg_split("val"))
    for patient in (patients[0], patients[len(patients) // 2], patients[-1]):
        study = LGGDataset(lgg_root).study(patient)
        found = dice(study.mask, segmenter.predict(study).mask)
        assert found == pytest.approx(segmenter.card.patients[patient], abs=0.003), patient


if __name__ == "__main__":  # python tests/zoo/test_load.py, after a preset has changed
    GOLDEN.write_text(json.dumps({name: golden_output(name) for name in list_pretrained().index}, indent=1) + "\n")
