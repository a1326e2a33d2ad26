"""What predict takes and writes: files one by one, DICOM, channels in another order, probabilities."""

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import make_study
from command_line import run
from dicom_files import DESCRIPTIONS, write_classic

SHAPE = (4, 96, 96)


@pytest.fixture(scope="module")
def head():
    return make_study(1, shape=SHAPE)


def save(folder, head, name, channels):
    folder.mkdir(exist_ok=True)
    array = head.geometry.to_file(head.volume[..., channels])
    nib.save(nib.Nifti1Image(array, head.geometry.file_affine), folder / f"{name}.nii.gz")
    return folder / f"{name}.nii.gz"


def mask_of(path):
    return np.asarray(nib.load(path).dataobj) > 0


def same(first, second):
    return (first != second).sum() <= 3  # sums of several threads, near the threshold


def test_files_one_by_one_a_folder_and_one_file_are_the_same_study(tmp_path, head):
    files = {name: save(tmp_path / "who", head, name, channel) for channel, name in enumerate(("t1", "flair", "t1ce"))}
    options = [text for name, path in files.items() for text in (f"--{name}", path)]
    done = run("predict", *options, "-o", tmp_path / "out", "--probabilities", "--overlay")
    assert (done.returncode, done.stderr) == (0, "")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["who_mask.nii.gz", "who_mask_probabilities.nii.gz", "who_overlay.png"]
    mask = mask_of(tmp_path / "out" / "who_mask.nii.gz")
    probabilities = nib.load(tmp_path / "out" / "who_mask_probabilities.nii.gz")
    assert probabilities.affine.tobytes() == nib.load(files["flair"]).affine.tobytes()
    assert mask.any()
    assert not (mask & (probabilities.get_fdata() < 0.3)).any()

    assert run("predict", tmp_path / "who", "-o", tmp_path / "b").returncode == 0
    assert same(mask, mask_of(tmp_path / "b" / "who_mask.nii.gz"))
    four = save(tmp_path / "four", head, "a", [2, 1, 1, 0])
    assert run("predict", four, "-o", tmp_path / "c.nii", "--sequences", "post,FLAIR,-,t1n").returncode == 0
    assert same(mask, mask_of(tmp_path / "c.nii"))


def test_missing_sequences_are_filled_and_told(tmp_path, head):
    done = run("predict", "--flair", save(tmp_path / "a", head, "flair", 1), "-o", tmp_path / "out")
    assert done.returncode == 0
    told = " ".join(done.stdout.replace("│", " ").split())
    assert "t1 is missing: filled with a copy of flair; t1ce is missing: filled with a copy of flair" in told


def test_dicom_in_and_dicom_out(tmp_path, head):
    highdicom = pytest.importorskip("highdicom")
    for number, name in enumerate(("t1", "flair", "t1ce")):
        array = np.round(head.volume[..., number] / 2) * 2
        write_classic(tmp_path / "case" / name, array, head.geometry.file_affine, DESCRIPTIONS[name], number + 3)
    done = run("predict", tmp_path / "case", "-o", tmp_path / "out", "--format", "dicom")
    assert (done.returncode, done.stderr) == (0, "")
    found = highdicom.seg.segread(tmp_path / "out" / "case_mask.dcm")
    assert run("predict", tmp_path / "case", "-o", tmp_path / "out").returncode == 0
    mask = mask_of(tmp_path / "out" / "case_mask.nii.gz")
    assert found.pixel_array.sum() == pytest.approx(mask.sum(), abs=3)
    other = run("predict", tmp_path / "case", "-o", tmp_path / "d", "--series", "flair=3", "--series", "t1=4")
    assert other.returncode == 0
    assert mask_of(tmp_path / "d" / "case_mask.nii.gz").sum() != mask.sum()


def nothing(folder, head):
    return ["-o", folder], 2, "expected INPUT, or files by --flair, --t1 and --t1ce"


def both(folder, head):
    path = save(folder, head, "flair", 1)
    return [path, "--flair", path, "-o", folder], 2, "expected INPUT, or files by --flair, --t1 and --t1ce"


def no_flair(folder, head):
    return ["--t1", save(folder, head, "t1", 0), "-o", folder], 2, "expected --flair beside --t1 and --t1ce"


def no_flair_in_the_folder(folder, head):
    save(folder, head, "a_t1", 0)
    return [folder, "-o", folder / "out"], 1, "holds no FLAIR (such as"


def two_names_without_flair(folder, head):
    save(folder, head, "a_t1", 0)
    save(folder, head, "scan", 1)
    return (
        [folder, "-o", folder / "out"],
        1,
        "found a_t1.nii.gz, scan.nii.gz; name the files with flair=, t1= and t1ce= (CLI: --flair,",
    )


def absent(folder, head):
    return ["--flair", folder / "x.nii", "-o", folder], 2, "x.nii: does not exist"


def unknown_sequence(folder, head):
    return (
        [save(folder, head, "a", 1), "-o", folder, "--sequences", "t2"],
        2,
        "--sequences must be distinct names out of",
    )


def unknown_series(folder, head):
    return [save(folder, head, "a", 1), "-o", folder, "--series", "5"], 2, "--series must be such as flair=5"


def series_of_a_file(folder, head):
    return [save(folder, head, "a", 1), "-o", folder / "out", "--series", "flair=5"], 1, "holds no series"


def probabilities_as_images(folder, head):
    arguments = [save(folder, head, "a", 1), "-o", folder / "out", "--probabilities", "--format", "tiff"]
    return arguments, 2, "can't hold probabilities; expected --format nifti or dicom"


def dicom_of_nifti(folder, head):
    arguments = [save(folder, head, "a", 1), "-o", folder / "out", "--format", "dicom"]
    return arguments, 1, "DICOM SEG refers to the images that it was drawn on"


@pytest.mark.parametrize(
    "make",
    [
        nothing, both, no_flair, no_flair_in_the_folder, two_names_without_flair, absent, unknown_sequence, unknown_series,
        series_of_a_file, probabilities_as_images, dicom_of_nifti,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_bad_input_ends_in_one_clear_line_and_writes_nothing(tmp_path, head, make):
    (tmp_path / "in").mkdir()
    arguments, code, message = make(tmp_path / "in", head)
    before = sorted(tmp_path.rglob("*"))
    done = run("predict", *arguments)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [path for path in before if path.is_file()]
