import re

import numpy as np
import pytest
from PIL import Image

from braintumorseg import DataError, LGGDataset, make_study
from braintumorseg.cohort import explore, write_exploration
from braintumorseg.cohort.exploration.pictures import figures_of
from braintumorseg.datasets import open_dataset
from command_line import run
from layouts import write_bids, write_list, write_nnunet

HEADER = "Patient,RNASeqCluster,histological_type,laterality"
NAMES = [
    f"TCGA_{place}_{number}_19960909"
    for place, number in zip(["CS", "CS", "DU", "DU", "HT", "HT", "HT", "HT"], range(4000, 4008), strict=True)
]


def write(root, name, volume, mask):
    (root / name).mkdir(parents=True)
    for number, (image, drawn) in enumerate(zip(np.round(volume).astype(np.uint8), mask, strict=True), 1):
        Image.fromarray(image).save(root / name / f"{name}_{number}.tif")
        Image.fromarray(drawn.astype(np.uint8) * 255).save(root / name / f"{name}_{number}_mask.tif")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eight patients; the tumours of all but one lie where the table says, one study has a copied sequence, one a tiny mask."""
    root = tmp_path_factory.mktemp("kaggle_3m")
    rows = []
    for seed, name in enumerate(NAMES):
        study = make_study(seed=seed, shape=(8, 96, 96), noise=0)
        volume, mask = study.volume.copy(), study.mask.copy()
        left = np.argwhere(mask)[:, 2].mean() < 47.5
        if seed % 2 == left:  # patients of even numbers have it on the left, of odd ones on the right
            volume, mask = volume[:, :, ::-1].copy(), mask[:, :, ::-1].copy()
        laterality = 1 + 2 * (seed % 2)
        if seed == 1:
            volume[..., 2] = volume[..., 1]
        if seed == 2:
            mask[0, 40:42, 40:43] = True
        if seed == 5:
            mask = mask[:, :, ::-1]  # drawn on the wrong side
        write(root, name, volume, mask)
        rows.append(f"{name[:12]},{1 + seed % 3},{1 + seed % 2},{laterality}")
    (root / "data.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


@pytest.fixture(scope="module")
def seen(root):
    return explore(LGGDataset(root), examples=3)


def test_table_says_what_is_there(seen):
    assert seen.table.index.tolist() == NAMES
    assert seen.table["institution"].tolist() == ["CS", "CS", "DU", "DU", "HT", "HT", "HT", "HT"]
    assert (seen.table["slices"] == 8).all()
    assert seen.table["absent"].tolist() == ["", "t1ce"] + [""] * 6
    assert seen.table["smallest_mask"].iloc[2] == 6
    assert np.sign(seen.table["side"]).tolist() == [-1, 1, -1, 1, -1, -1, -1, 1]
    assert (np.sign(seen.table["contrast"]).tolist()) == [1] * 5 + [-1, 1, 1]
    assert len(seen.slice_voxels) == seen.table["tumour_slices"].sum()
    assert seen.slice_voxels.sum() == seen.table["tumour_voxels"].sum()


def test_oddities_are_found(seen):
    lines = "\n".join(seen.oddities)
    assert f"t1ce: not taken, but a copy of the FLAIR, in 1 patients: {NAMES[1]}" in lines
    assert f"{NAMES[2]}: its smallest mask of a slice has 6 voxels" in lines
    assert f"{NAMES[5]}: the tumour lies on the left of the image, though laterality 3 is the right" in lines
    assert f"{NAMES[5]}: the FLAIR is darker in the mask than in its mirror image" in lines
    assert lines.count("the tumour lies on") == lines.count("the FLAIR is darker") == 1
    assert "110 patients of the split are not there" in lines


def test_heat_counts_patients(seen):
    assert seen.heat.shape == seen.head.shape == (24, 64, 64)
    assert 1 <= seen.heat.max() <= 8
    left, right = seen.heat[:, :, :32].sum(), seen.heat[:, :, 32:].sum()
    assert left > right > 0  # five of the eight


def test_examples_are_some_patients_largest_slices(seen, root):
    assert len(seen.examples) == 3
    for example in seen.examples:
        study = LGGDataset(root).study(example.name)
        assert example.mask.sum() == study.mask.sum(axis=(1, 2)).max()
    assert all(not example.mask.any() for example in seen.without)
    other = explore(LGGDataset(root), examples=3, seed=1)
    assert [each.name for each in other.examples] != [each.name for each in seen.examples]


def test_figures(seen):
    figures = figures_of(seen)
    assert len(figures) == 8
    assert len(figures["Studies, and their masks"].axes) == 12
    assert sum(len(axes.collections) for axes in figures["Studies, and their masks"].axes) == 9  # outlines
    bars = figures["Slices of each patient"].axes[0].patches
    assert sum(bar.get_height() for bar in bars[:8]) == 64


def test_clusters_and_clinic(seen):
    assert seen.associations[["clustering", "clinical", "patients"]].to_numpy().tolist() == [
        ["RNASeqCluster", "histological_type", 8],
        ["RNASeqCluster", "laterality", 8],
    ]
    assert seen.associations["p_value"].between(0, 1).all()


def test_page(seen, tmp_path):
    page = write_exploration(seen, tmp_path / "out").read_text()
    assert page.count("data:image/png;base64,") == 8
    assert re.findall(r"https?://|(?:src|href)=\"(?!data:)", page) == []
    assert "8 patients, 64 slices" in page
    assert len((tmp_path / "out" / "oddities.txt").read_text().splitlines()) == len(seen.oddities)
    with pytest.raises(DataError, match="already exists"):
        write_exploration(seen, tmp_path / "out")


def test_studies_without_masks_are_refused(tmp_path):
    (tmp_path / NAMES[0]).mkdir()
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / NAMES[0] / f"{NAMES[0]}_1.tif")
    with pytest.raises(DataError, match="has no masks; exploring needs them"):
        explore(LGGDataset(tmp_path))


def test_any_dataset_is_explored(tmp_path):
    seen = explore(open_dataset(write_bids(tmp_path / "bids")), examples=2)
    assert seen.table["institution"].tolist() == ["York", "York", "Leeds"]
    assert str(seen).startswith("3 studies of 2 patients, 18 slices, ")
    assert seen.clinical.columns.tolist() == ["site", "age"]
    assert write_exploration(seen, tmp_path / "out").is_file()
    listed = explore(open_dataset(write_list(tmp_path / "listed")))
    assert "t1, t1ce: absent in 1 of 3 studies: 12" in listed.oddities
    root = write_nnunet(tmp_path / "nnunet")
    assert explore(open_dataset(root)).table["institution"].tolist() == ["not given"] * 3
    (root / "labelsTr" / "case_001.nii.gz").unlink()
    with pytest.raises(DataError, match=r"case_001 has no mask; expected labelsTr/CASE.nii.gz"):
        explore(open_dataset(root))


def test_command(root, tmp_path):
    done = run("explore", "--data", root, "-o", "out", "--examples", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 patients, 64 slices" in done.stdout
    assert (tmp_path / "out" / "exploration.html").is_file()
    again = run("explore", "--data", root, "-o", "out", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert run("explore", "--data", tmp_path, "-o", "new", cwd=tmp_path).returncode == 1
