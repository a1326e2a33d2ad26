"""Findings: each figure against one that was counted by hand, on every orientation."""

import numpy as np
import pytest

from braintumorseg import LGGDataset, Segmentation, Study, make_study, measure_findings
from braintumorseg.datasets import lgg_split
from braintumorseg.study import Geometry
from findings.heads import AFFINE, SHAPE, geometry, head, two_pieces


def test_figures_of_a_box_and_a_speck():
    found = measure_findings(*head(two_pieces(), geometry()))
    tumour, (large, small) = found.tumour, found.lesions
    assert (tumour.voxels, large.voxels, small.voxels) == (308, 300, 8)
    assert tumour.volume_ml == pytest.approx(308 * 2 * 1.5 * 5 / 1000)
    assert (tumour.slices, large.slices, small.slices) == (4, 3, 1)
    assert tumour.box == ((1, 4), (10, 31), (30, 39))
    assert large.box == ((2, 4), (10, 19), (30, 39))
    assert large.box_mm == pytest.approx((15, 15, 20))
    assert large.centroid == (3, 14.5, 34.5)
    assert large.centroid_mm == pytest.approx((45 - 2 * 34.5, 30 - 1.5 * 14.5, -10 + 5 * 3))
    assert large.diameters.longest == pytest.approx(np.hypot(2 * 10, 1.5 * 9))
    assert small.diameters.longest == pytest.approx(np.hypot(2 * 4, 1.5 * 1))
    assert small.diameters.slice == 1
    assert small.diameters.longest_ends[0][0] == pytest.approx(30.5, abs=1)
    assert (found.largest_slice, found.largest_area) == (2, 100)
    assert found.largest_area_mm2 == pytest.approx(100 * 3)
    assert (found.hemisphere, found.left_share, found.hemisphere_from) == ("left", 1, "world")


def test_the_side_is_the_patient_s_in_every_axis_order():
    """The same head and tumour, stored in another way: volume columns may run either way, and slices may be sagittal."""
    study, segmentation = head(two_pieces(), geometry())
    for axes in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        for flips in ((False, False, False), (True, False, True), (False, True, True)):
            other = Geometry(AFFINE, SHAPE[::-1], axes=axes, flips=flips)
            volume, mask = (other.to_volume(study.geometry.to_file(each)) for each in (study.volume, segmentation.mask))
            turned = Study(volume, ("flair",), geometry=other)
            found = measure_findings(turned, Segmentation(mask, geometry=other))
            assert (found.hemisphere, found.tumour.voxels) == ("left", 308)
            assert found.lesions[0].centroid_mm == pytest.approx((-24, 8.25, 5))
            assert found.tumour.volume_ml == pytest.approx(308 * 15 / 1000)


def test_without_geometry_the_side_is_the_display_s():
    found = measure_findings(*head(two_pieces()))
    assert (found.hemisphere, found.hemisphere_from) == ("left", "display")
    assert found.tumour.volume_ml is None
    assert found.tumour.centroid_mm is None
    assert found.largest_area_mm2 is None
    assert found.tumour.diameters.unit == "voxels"
    assert measure_findings(*head(two_pieces()[:, :, ::-1])).hemisphere == "right"


def test_across_the_middle_is_both():
    mask = np.zeros(SHAPE, bool)
    mask[3, 10:20, 15:35] = True
    assert measure_findings(*head(mask)).hemisphere == "both"


def test_nothing_found():
    found = measure_findings(*head(np.zeros(SHAPE, bool), geometry()))
    assert (found.tumour, found.lesions, found.largest_slice, found.hemisphere) == (None, (), None, None)
    row = found.to_row()
    assert (row["voxels"], row["volume_ml"], row["longest_diameter"]) == (0, 0, None)


def test_other_grid_is_refused():
    study, segmentation = head(two_pieces())
    with pytest.raises(ValueError, match="on the study's grid"):
        measure_findings(study, Segmentation(segmentation.mask[1:]))


def test_a_phantom_s_own_mask():
    study = make_study(seed=1, shape=(8, 64, 64))
    found = measure_findings(study, Segmentation(study.mask, geometry=study.geometry))
    assert found.tumour.volume_ml == pytest.approx(study.mask.sum() * np.prod(study.spacing) / 1000)


@pytest.mark.lgg
def test_the_side_is_that_of_the_clinical_table(lgg_root):
    """Drawn masks of the val patients, by the images alone, against the table's laterality (1 left, 3 right)."""
    dataset = LGGDataset(lgg_root)
    table = dataset.table["laterality"]
    for name in lgg_split("val"):
        study = dataset.study(name)
        found = measure_findings(study, Segmentation(study.mask))
        print(name, found.hemisphere, f"{found.left_share:.2f}", table[name])
        assert found.hemisphere == {1: "left", 3: "right"}[table[name]]
