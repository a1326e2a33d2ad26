import pandas as pd
import pytest

from cases import write_case
from command_line import run

CLUSTERINGS = "RNASeqCluster,MethylationCluster,miRNACluster,CNCluster,RPPACluster,OncosignCluster,COCCluster"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("kaggle_3m")
    names = [f"TCGA_CS_{number}_19960909" for number in range(4000, 4008)]
    for seed, name in enumerate(names):
        write_case(root / name, seed, slices=10)
    rows = [f"{name[:12]},{1 + seed % 2 if seed else ''},1,2,{1 + seed % 3},1,2,3" for seed, name in enumerate(names)]
    (root / "data.csv").write_text("\n".join([f"Patient,{CLUSTERINGS}", *rows]) + "\n")
    return root


@pytest.mark.slow
def test_published_masks_are_tested(dataset, tmp_path):
    done = run("associate", "--data", dataset, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 features x 7 clusterings, 8 patients, 6 tests" in done.stdout
    assert "agrees: no" in done.stdout
    tests = pd.read_csv(tmp_path / "out" / "tests.csv").set_index(["feature", "clustering"])
    assert tests.loc[("bevr", "RNASeqCluster"), ["patients", "missing"]].tolist() == [7, 1]
    assert (tmp_path / "out" / "association.html").stat().st_size > 50_000
    again = run("associate", "--data", dataset, "-o", "out", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "already exists" in again.stderr
    more = run("associate", "--data", dataset, "-o", "out", "--overwrite", "--all-features", cwd=tmp_path)
    assert "16 features x 7 clusterings" in more.stdout


def test_wrong_folders_and_tables_end_in_one_line(dataset, tmp_path):
    done = run("associate", "--data", tmp_path, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no data.csv" in done.stderr
    (tmp_path / "data.csv").write_text("Patient,RNASeqCluster\n")
    write_case(tmp_path / "TCGA_CS_4000_19960909", 0)
    done = run("associate", "--data", tmp_path, "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "lacks the column MethylationCluster" in done.stderr
