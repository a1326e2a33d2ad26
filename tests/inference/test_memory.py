"""What a large study costs, measured in a process of its own."""

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import make_study


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not say what a process took")
def test_isotropic_study_of_155_slices_takes_less_than_4_gigabytes(tmp_path):
    study = make_study(0, shape=(31, 60, 60))
    for channel, name in enumerate(("t1n", "t2f", "t1c")):
        array = study.volume[..., channel].astype(np.int16).repeat(5, 0).repeat(4, 1).repeat(4, 2)
        assert array.shape == (155, 240, 240)
        nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / f"a-{name}.nii")
    command = [sys.executable, "-m", "braintumorseg", "predict", tmp_path, "-o", tmp_path / "out", "--probabilities"]
    with subprocess.Popen([*command, "--preset", "resunet-lgg-small"], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{tmp_path.name}_mask.nii.gz",
        f"{tmp_path.name}_mask_probabilities.nii.gz",
    }
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"\n155x240x240, read, predicted and written: {peak / 2**30:.2f} GB resident at the most")
    assert peak < 4 * 2**30
