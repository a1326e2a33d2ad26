import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from braintumorseg import DataError, Preprocessing, evaluate, load_pretrained, make_study, read_study
from braintumorseg.datasets import lgg_split
from braintumorseg.datasets.lgg import LGGDataset

FIRST, SECOND = "TCGA_CS_4941_19960909", "TCGA_DU_5849_19950405"  # both train
VAL = "TCGA_HT_7608_19940304"


def write_patient(root, name, absent=(), slices=5):
    """Write a phantom as the dataset publishes its patients; absent sequences are copies of the FLAIR."""
    study = make_study(seed=len(name), shape=(slices, 256, 256))
    pixels = np.round(study.volume).astype(np.uint8)
    for sequence in absent:
        pixels[..., study.sequences.index(sequence)] = pixels[..., 1]
    folder = root / name
    folder.mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(pixels, study.mask, strict=True), 1):
        Image.fromarray(image).save(folder / f"{name}_{number}.tif")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}_{number}_mask.tif")
    return folder


def write_table(root, *names):
    rows = "".join(f"{'_'.join(name.split('_')[:3])},{number},,{30 + number}\n" for number, name in enumerate(names))
    (root / "data.csv").write_text("Patient,RNASeqCluster,COCCluster,age_at_initial_pathologic\n" + rows)


@pytest.fixture
def root(tmp_path):
    """Two train patients and one of val, nothing wrong but that the others are not there."""
    root = tmp_path / "kaggle_3m"
    write_patient(root, FIRST)
    write_patient(root, SECOND, absent=("t1ce",))
    write_patient(root, VAL, absent=("t1", "t1ce"))
    write_table(root, SECOND, "TCGA_XX_0000_1", FIRST, VAL)
    return root


def problems(root):
    """The problems of the three patients alone."""
    return LGGDataset(root).subset([FIRST, SECOND, VAL]).problems()


def test_studies_by_index_by_name_and_in_a_loop(root):
    (root / "__MACOSX").mkdir()
    dataset = LGGDataset(root)
    assert dataset.patients == (FIRST, SECOND, VAL)
    assert len(dataset) == 3
    assert [study.name for study in dataset] == list(dataset.patients)
    assert dataset[-1].name == VAL
    assert dataset[FIRST].shape == (5, 256, 256)
    assert FIRST in dataset
    assert "__MACOSX" not in dataset
    with pytest.raises(IndexError):
        dataset[3]
    with pytest.raises(ValueError, match=f"name must be one of the 3 patients of this dataset, {FIRST} first; got 'x'"):
        dataset["x"]


def test_construction_reads_no_study(root):
    for path in root.glob("*/*.tif"):
        path.write_bytes(b"")
    dataset = LGGDataset(root)
    with pytest.raises(DataError, match=r"_1\.tif: is damaged"):
        dataset[0]


def test_absent_sequences_are_found_from_the_pixels(root):
    dataset = LGGDataset(root)
    assert [dataset.absent_sequences(name) for name in dataset.patients] == [(), ("t1ce",), ("t1", "t1ce")]
    assert dataset[SECOND].sequences == ("t1", "flair")
    assert dataset[VAL].sequences == ("flair",)


def test_one_different_voxel_is_a_sequence_of_its_own(root):
    path = root / VAL / f"{VAL}_2.tif"
    pixels = np.array(Image.open(path))
    pixels[40, 50, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert LGGDataset(root).absent_sequences(VAL) == ("t1ce",)


def test_leaving_copies_out_changes_no_input_of_a_model(root):
    dataset = LGGDataset(root)
    for name in dataset.patients:
        stored, without = read_study(dataset.path(name)), dataset.study(name)
        expected, found = (Preprocessing(size=96).apply(study) for study in (stored, without))
        np.testing.assert_array_equal(found.images, expected.images)
        assert found.placement == expected.placement
        np.testing.assert_array_equal(without.mask, stored.mask)
        assert without.slice_names == stored.slice_names


def test_an_evaluation_takes_a_dataset(root):
    dataset = LGGDataset(root)
    table = evaluate(load_pretrained("resunet-lgg"), dataset, institutions=dataset.institutions).table
    assert table["missing_sequences"].tolist() == ["none", "t1ce", "t1, t1ce"]
    assert table["institution"].tolist() == ["CS", "DU", "HT"]
    joined = table.join(dataset.table, on="name")
    assert joined["age_at_initial_pathologic"].tolist() == [32, 30, 33]


def test_institutions(root):
    dataset = LGGDataset(root)
    assert dataset.institution(SECOND) == "DU"
    assert dataset.institutions == {FIRST: "CS", SECOND: "DU", VAL: "HT"}
    with pytest.raises(ValueError, match="got 'TCGA_CS_0000_1'"):
        dataset.institution("TCGA_CS_0000_1")


def test_table_is_joined_by_identifier(root):
    table = LGGDataset(root).table
    assert table.index.tolist() == [FIRST, SECOND, VAL]
    assert table.columns.tolist() == ["RNASeqCluster", "COCCluster", "age_at_initial_pathologic"]
    assert table["RNASeqCluster"].tolist() == [2, 0, 3]
    assert table["COCCluster"].isna().all()
    write_table(root, FIRST, VAL)
    lacking = LGGDataset(root).table
    assert lacking.loc[SECOND].isna().all()
    assert lacking.loc[VAL, "age_at_initial_pathologic"] == 31


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "data.csv: can't be read .No such file or directory.; expected a table with a column Patient"),
        ("Name,Age\nx,1\n", "data.csv: can't be read .*; expected a table with a column Patient"),
        ("", "data.csv: can't be read .*; expected a table with a column Patient"),
        (
            "Patient,Age\nTCGA_CS_4941,1\nTCGA_CS_4941,2\n",
            "data.csv: has TCGA_CS_4941 twice; expected one row a patient",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_named(root, text, message):
    (root / "data.csv").unlink()
    if text is not None:
        (root / "data.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        LGGDataset(root).table  # noqa: B018 - a property that raises
    assert any(pd.Series(problems(root)).str.contains(message))


def test_split_says_who_is_not_there(root):
    dataset = LGGDataset(root)
    with pytest.warns(UserWarning, match="75 of the 77 train patients are not there, TCGA_CS_4944_20010208 first"):
        train = dataset.split("train")
    assert train.patients == (FIRST, SECOND)
    with pytest.warns(UserWarning, match="12 of the 13 val patients are not there"):
        val = dataset.split("val")
    assert val.patients == (VAL,)
    assert sum(line.endswith(": is not there") for line in val.problems()) == 12
    with pytest.raises(
        DataError, match="holds none of the 20 test patients; expected TCGA_CS_4942_19970222 and others"
    ):
        dataset.split("test")
    with pytest.raises(ValueError, match="part must be one of"):
        dataset.split("valid")


def test_a_complete_part_warns_of_nothing(tmp_path):
    for name in lgg_split("val"):
        (tmp_path / name).mkdir()
    with warnings.catch_warnings(action="error"):
        assert LGGDataset(tmp_path).split("val").patients == tuple(sorted(lgg_split("val")))


def test_subset(root):
    dataset = LGGDataset(root)
    some = dataset.subset([VAL, FIRST])
    assert some.patients == (FIRST, VAL)
    assert repr(some).endswith("kaggle_3m': 2 patients")
    assert len(dataset) == 3
    with pytest.raises(ValueError, match="name must be one of the 2 patients"):
        some.study(SECOND)
    with pytest.raises(ValueError, match="patients must be at least one name; got none"):
        dataset.subset([])


def test_a_folder_that_is_not_the_dataset_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no patient; expected folders named TCGA_<institution>_<patient>_<date>"):
        LGGDataset(tmp_path)
    with pytest.raises(DataError, match=r"nowhere: can't be listed \(No such file or directory\)"):
        LGGDataset(tmp_path / "nowhere")


def test_nothing_wrong_is_no_problem(root):
    assert problems(root) == []


def test_problems_of_the_whole_folder(root):
    write_patient(root, "TCGA_AB_1234_20200101")
    lines = LGGDataset(root).problems()
    missing = [line for line in lines if line.endswith(": is not there")]
    assert len(missing) == 107
    assert f"{root / lgg_split('test')[0]}: is not there" in missing
    assert [line for line in lines if line not in missing] == [
        f"{root / 'TCGA_AB_1234_20200101'}: is not a patient of the split",
        f"{root / 'TCGA_AB_1234_20200101'}: has no row TCGA_AB_1234 in data.csv",
    ]


def remove_masks(folder):
    for path in folder.glob("*_mask.tif"):
        path.unlink()


def remove_one_mask(folder):
    (folder / f"{FIRST}_2_mask.tif").unlink()


def remove_a_slice(folder, number=2):
    (folder / f"{FIRST}_{number}.tif").unlink()
    (folder / f"{FIRST}_{number}_mask.tif").unlink()


def resize(folder, pattern="*.tif"):
    for path in folder.glob(pattern):
        Image.open(path).resize((256, 240), Image.Resampling.NEAREST).save(path)


def empty_masks(folder):
    for path in folder.glob("*_mask.tif"):
        Image.new("L", (256, 256)).save(path)


def rename_slices(folder):
    for path in folder.glob("*.tif"):
        path.rename(path.with_name(path.name.replace(FIRST, "TCGA_CS_0000_1")))


def remove_everything(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (remove_masks, "{folder}: has no masks; expected <slice>_mask.tif beside every slice"),
        (
            remove_one_mask,
            "{folder}: {name}_2.tif has no mask while others do; expected masks for all slices or for none",
        ),
        (remove_a_slice, "{folder}: slices 2 are missing; the others are read as neighbours"),
        (lambda folder: remove_a_slice(folder, 1), "{folder}: starts with {name}_2; expected {name}_1"),
        (resize, "{folder}: has slices of 240 x 256 pixels; expected 256 x 256"),
        (
            lambda folder: resize(folder, "*_3.tif"),
            "{folder}/{name}_3.tif: has 240 x 256 pixels of 3 channel(s); expected 256 x 256 of 3, as {name}_1.tif",
        ),
        (empty_masks, "{folder}: has masks without any tumour; every patient of the dataset has one"),
        (rename_slices, "{folder}: holds TCGA_CS_0000_1_1; expected slices named {name}_<number>"),
        (remove_everything, "{folder}: holds no slices; expected files named <patient>_<number>.tif or .png"),
    ],
)
def test_each_problem_is_one_precise_line(root, damage, line):
    damage(root / FIRST)
    assert problems(root) == [line.format(folder=root / FIRST, name=FIRST)]


@pytest.mark.slow
@pytest.mark.lgg
def test_the_published_files(lgg_root):
    """What is known of the dataset: six of the 110 patients lack both other sequences, four post-contrast alone."""
    dataset = LGGDataset(lgg_root)
    assert [line for line in dataset.problems() if not line.endswith(": is not there")] == []
    absent = {name: dataset.absent_sequences(name) for name in dataset.patients}
    post_alone = {"TCGA_DU_6407_19860514", "TCGA_DU_7301_19911112", "TCGA_DU_8165_19970205", "TCGA_FG_7634_20000128"}
    assert {name for name, lacks in absent.items() if lacks == ("t1ce",)} == post_alone & set(dataset.patients)
    both = {name for name, lacks in absent.items() if lacks == ("t1", "t1ce")}
    seen = {
        "TCGA_FG_A60K_20040224",
        "TCGA_HT_7877_19980917",
        "TCGA_HT_8105_19980826",
        "TCGA_HT_A616_19991226",
        "TCGA_HT_A61B_19991127",
    }
    assert both - set(lgg_split("test")) == seen & set(dataset.patients)
    assert set(absent.values()) <= {(), ("t1ce",), ("t1", "t1ce")}
    assert len(dataset.split("train")) == len(set(lgg_split("train")) & set(dataset.patients))
    assert len(dataset.split("val")) == len(set(lgg_split("val")) & set(dataset.patients))
    assert dataset.table["age_at_initial_pathologic"].between(18, 90).mean() > 0.95
