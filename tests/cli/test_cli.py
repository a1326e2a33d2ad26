"""The command line as a user meets it: its streams and exit codes, in this process but for one test."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

import braintumorseg
from braintumorseg import (
    Preprocessing,
    Segmenter,
    dice,
    list_pretrained,
    load_pretrained,
    make_study,
    read_study,
)
from command_line import run

SHAPE = (4, 96, 96)


def write_folder(root, seed, masks=True):
    """A phantom in the dataset's layout."""
    study = make_study(seed, shape=SHAPE)
    folder = root / f"TCGA_XX_{seed:04}_20000101"
    folder.mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(study.volume, study.mask, strict=True), start=1):
        Image.fromarray(image.round().astype(np.uint8)).save(folder / f"{folder.name}_{number}.tif")
        if masks:
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{folder.name}_{number}_mask.tif")
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Two studies with masks, one without, one broken; as predicted in one run."""
    root = tmp_path_factory.mktemp("many")
    folders = [write_folder(root / "in", seed, masks=seed < 3) for seed in (1, 2, 3)]
    broken = write_folder(root / "in", 4)
    slice_2 = broken / f"{broken.name}_2.tif"
    slice_2.write_bytes(slice_2.read_bytes()[:300])
    done = run("predict", root / "in", "-o", root / "out", "--truth", "--overlay")
    return root, folders, broken, done


def test_a_process_of_its_own_is_clean(tmp_path):
    """No traceback, no start-up messages of frameworks, one line on standard error, the exit code."""
    write_folder(tmp_path / "in", 1)
    command = [sys.executable, "-m", "braintumorseg", "predict", tmp_path / "in", "-o", tmp_path / "out"]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert "TCGA_XX_0001_20000101" in first.stdout
    assert (second.returncode, second.stdout) == (2, "")
    assert len(second.stderr.splitlines()) == 1


def test_version():
    assert run("--version").stdout == f"braintumorseg {braintumorseg.__version__}\n"


def test_help_names_the_commands():
    text = run("--help").stdout
    assert "predict" in text
    assert "demo" in text
    assert "not for diagnosis" in text


def test_good_studies_are_predicted_although_one_fails(many):
    root, folders, _, done = many
    written = sorted(path.name for path in (root / "out").iterdir())
    assert written == sorted(f"{folder.name}_{kind}" for folder in folders for kind in ("mask.nii.gz", "overlay.png"))
    segmenter = load_pretrained("resunet-lgg")
    for folder in folders:
        mask = np.asarray(nib.load(root / "out" / f"{folder.name}_mask.nii.gz").dataobj)
        mask = mask.transpose(2, 1, 0)[
            :, ::-1
        ]  # a file without orientation is laid out to the left, anterior, superior
        assert (mask != segmenter.predict(folder).mask).sum() <= 3  # sums of several threads, near the threshold
    assert done.returncode == 1


def test_failed_study_is_named_and_the_exit_code_says_so(many):
    _, _, broken, done = many
    assert re.search(rf"braintumorseg: error: .*{broken.name}_2\.tif: is damaged", done.stderr)
    assert done.stderr.strip().endswith("braintumorseg: error: 1 of 4 studies failed")


def test_table_has_patient_tumour_slices_and_dice(many):
    _, folders, _, done = many
    segmenter = load_pretrained("resunet-lgg")
    scores = []
    for folder in folders:
        study, found = read_study(folder), segmenter.predict(folder)
        (line,) = [line for line in done.stdout.splitlines() if folder.name in line]
        voxels = int(re.search(r"(\d+) voxels", line)[1])
        assert voxels == pytest.approx(found.voxels, abs=3)  # sums of several threads, near the threshold
        assert re.search(rf"│ +{found.slices} │", line)
        if study.mask is None:
            assert "no mask to compare" in line  # the rest may be on a line of its own
        else:
            scores.append(dice(study.mask, found.mask))
            assert float(re.findall(r"0\.\d{3}", line)[-1]) == pytest.approx(scores[-1], abs=0.001)
    pattern = r"Dice per patient over whole volumes, every slice in: mean (0\.\d{3}), median (0\.\d{3})"
    summary = [float(text) for text in re.search(pattern, done.stdout).groups()]
    assert summary == pytest.approx([np.mean(scores), np.median(scores)], abs=0.001)


def test_existing_output_needs_overwrite(many, tmp_path):
    root, folders, _, _ = many
    path = root / "out" / f"{folders[0].name}_mask.nii.gz"
    before = path.read_bytes()
    done = run("predict", folders[0], "-o", root / "out")
    assert done.returncode == 2
    how = "pass overwrite=True (CLI: --overwrite) to replace it"
    assert done.stderr == f"braintumorseg: error: {path}: already exists; {how}\n"
    assert path.read_bytes() == before
    assert run("predict", folders[0], "-o", root / "out", "--overwrite").returncode == 0


def test_one_study_may_go_to_a_file(many, tmp_path):
    _, folders, _, _ = many
    assert run("predict", folders[0], "-o", tmp_path / "a.nii").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii"]


def test_single_image_gives_a_single_image(many, tmp_path):
    _, folders, _, _ = many
    image = folders[0] / f"{folders[0].name}_3.tif"
    done = run("predict", image, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "one slice only" in done.stdout
    assert Image.open(tmp_path / f"{image.stem}_mask.png").size == (96, 96)


def test_tiff_output_has_the_layout_of_the_dataset(many, tmp_path):
    _, folders, _, _ = many
    assert run("predict", folders[0], "-o", tmp_path, "--format", "tiff").returncode == 0
    names = [path.name for path in (tmp_path / f"{folders[0].name}_mask").iterdir()]
    assert sorted(names) == [f"{folders[0].name}_{number}_mask.tif" for number in (1, 2, 3, 4)]


def test_missing_slices_are_told(tmp_path):
    folder = write_folder(tmp_path, 1)
    for path in folder.glob("*_2*.tif"):
        if path.stem.removesuffix("_mask").endswith("_2"):
            path.unlink()
    done = run("predict", folder, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "slices 2 are missing" in " ".join(done.stdout.replace("│", " ").split())


def test_nifti_comes_back_on_its_own_grid(tmp_path):
    study = make_study(1, shape=SHAPE)
    nib.save(nib.Nifti1Image(study.geometry.to_file(study.volume), study.geometry.file_affine), tmp_path / "a.nii.gz")
    done = run("predict", tmp_path / "a.nii.gz", "-o", tmp_path / "out")
    assert " mL " in done.stdout
    mask = nib.load(tmp_path / "out" / "a_mask.nii.gz")
    assert mask.affine.tobytes() == nib.load(tmp_path / "a.nii.gz").affine.tobytes()


@pytest.mark.slow
def test_demo_leaves_mask_and_picture_and_prints_measures(tmp_path):
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    study = make_study(0)
    mask = nib.load(tmp_path / "demo" / "phantom-0_mask.nii.gz")
    score = dice(study.mask, study.geometry.to_volume(np.asarray(mask.dataobj)))
    assert f"{score:.3f}" in done.stdout
    assert Image.open(tmp_path / "demo" / "phantom-0_overlay.png").width > 300
    again = run("demo", cwd=tmp_path)
    assert again.returncode == 2
    assert "(CLI: --overwrite)" in again.stderr


def empty_folder(path):
    path.mkdir()
    return ["predict", path, "-o", path / "out"], 1, "holds no study; expected a folder of"


def missing_path(path):
    return ["predict", path / "x", "-o", path / "out"], 2, "x: does not exist; expected a study or a folder of studies"


def missing_output(path):
    return ["predict", path], 2, "Missing option '-o'"


def unknown_preset(path):
    path.mkdir()
    return (
        ["predict", path, "-o", path, "--preset", "x"],
        2,
        f"--preset must be one of {', '.join(list_pretrained().index)}, "
        "hf://owner/repo[@revision], or a folder that holds braintumorseg.json; got 'x'",
    )


def unknown_split(path):
    path.mkdir()
    return ["predict", path, "-o", path, "--split", "x"], 2, "Invalid value for '--split'"


def nobody_of_the_split(path):
    write_folder(path, 1)
    return (
        ["predict", path, "-o", path / "out", "--split", "val"],
        1,
        "holds no patient of the val part of the LGG split",
    )


def mask_without_image(path):
    folder = write_folder(path, 1)
    (folder / f"{folder.name}_1.tif").unlink()
    return ["predict", folder, "-o", path / "out"], 1, "_1_mask.tif: is a mask without its image"


def two_channels(path):
    path.mkdir()
    Image.fromarray(np.zeros((8, 8, 2), np.uint8)).save(path / "a.png")
    return ["predict", path / "a.png", "-o", path / "out"], 1, "a.png: has 2 channel(s) of mode LA; expected 3"


def not_a_number(path):
    path.mkdir()
    nib.save(nib.Nifti1Image(np.full((8, 8, 2), np.nan, np.float32), np.eye(4)), path / "a.nii")
    return ["predict", path / "a.nii", "-o", path / "out"], 1, "a.nii: must be finite"


def unwritable_output(path):
    write_folder(path, 1)
    (path / "file").write_text("")
    return ["predict", path, "-o", path / "file" / "out"], 1, "file/out: can't be written ("


def file_for_many(path):
    write_folder(path, 1)
    return ["predict", path, "-o", path / "out.nii.gz"], 2, "out.nii.gz: is a file's name; expected a folder for"


def preset_of_another_output(path):
    write_folder(path, 1)
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="softmax")(inputs))
    folder = Segmenter(model, Preprocessing(size=32), classes=3).save(path / "three")
    return (
        ["predict", path, "-o", path / "out", "--preset", folder],
        2,
        "model must be one of 4 output channels, for the background and the classes",
    )


def two_of_one_name(path):
    write_folder(path / "a", 1)
    write_folder(path / "b", 1)
    return ["predict", path, "-o", path / "out"], 2, "would both be written to"


def png_of_a_volume(path):
    write_folder(path, 1)
    return ["predict", path, "-o", path / "out", "--format", "png"], 1, "PNG holds one slice"


@pytest.mark.parametrize(
    "make",
    [
        empty_folder, missing_path, missing_output, unknown_preset, unknown_split, nobody_of_the_split,
        mask_without_image, two_channels, not_a_number, unwritable_output, file_for_many,
        preset_of_another_output, two_of_one_name, png_of_a_volume,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_bad_input_ends_in_one_clear_line_and_the_exit_code(tmp_path, make):
    arguments, code, message = make(tmp_path / "p")
    before = sorted((tmp_path / "p").rglob("*"))
    done = run(*arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert sorted((tmp_path / "p").rglob("*")) == before


@pytest.mark.parametrize("command", [["predict", "in"], ["demo"]], ids=" ".join)
def test_unwritable_output_is_told_before_the_work(tmp_path, command):
    """Once, and not for each study after it was predicted."""
    write_folder(tmp_path / "in", 1)
    write_folder(tmp_path / "in", 2)
    (tmp_path / "file").write_text("")
    done = run(*command, "-o", tmp_path / "file" / "out", "--preset", "resunet-lgg", cwd=tmp_path)
    place = tmp_path / "file"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"braintumorseg: error: {place / 'out'}: can't be written ({place} is no folder)\n"


def test_study_of_one_value_is_predicted_and_told(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(folder / "p_1.tif")
    done = run("predict", folder, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "the image is constant" in " ".join(done.stdout.replace("│", " ").split())


def test_a_folder_of_a_preset_is_as_good_as_a_name(tmp_path):
    bundled = Path(braintumorseg.__file__).parent / "presets" / "weights" / "resunet-lgg"
    shutil.copytree(bundled, tmp_path / "mine")
    study = write_folder(tmp_path, 1)
    done = run("predict", study, "-o", "out", "--preset", "mine", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Found by resunet-lgg" in done.stdout
    for command in (["predict", study, "-o", "other"], ["demo"]):
        wrong = run(*command, "--preset", tmp_path / "other", cwd=tmp_path)
        assert wrong.returncode == 2
        assert "--preset must be one of " in wrong.stderr
