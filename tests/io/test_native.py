"""A real study as it left the scanner, of which a reader's mask is known."""

import warnings

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import dice, load_pretrained, read_study, write_segmentation

PATIENT = "TCGA_FG_6692_20020606"
# From (slice, row, column) of the dataset's images to those of the native FLAIR. The dataset's authors moved the FLAIR onto the
# grid of the T1 (cropped to 224 pixels and enlarged to 256); this is the rigid motion under which both FLAIRs correlate most.
TO_NATIVE = np.array(
    [
        [0.9787, 0.0276, -0.0099, -2.0521],
        [-1.2067, 0.8564, -0.0466, 32.7984],
        [0.3508, 0.0575, 0.8715, -19.926],
        [0, 0, 0, 1],
    ]
)


def bring(array, matrix, shape):
    return ndimage.affine_transform(array.astype(np.float32), matrix[:3, :3], matrix[:3, 3], shape, order=1)


@pytest.mark.lgg
def test_native_study_is_as_good_as_the_dataset_s_images_of_it(lgg_root, native_root, tmp_path):
    segmenter = load_pretrained("resunet-lgg")
    images = read_study(lgg_root / PATIENT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        native = read_study(native_root / "TCGA-FG-6692")
    flair = native.sequence("flair")
    alike = np.corrcoef(bring(flair, TO_NATIVE, images.shape).ravel(), images.sequence("flair").ravel())[0, 1]
    drawn = bring(images.mask, np.linalg.inv(TO_NATIVE), native.shape) >= 0.5

    alone = native.with_sequences(["flair"])
    drawn_ml = drawn.sum() * np.prod(native.spacing) / 1000
    print(f"\n{PATIENT}: drawn {drawn_ml:.1f} mL; the FLAIRs correlate by {alike:.4f}")
    print(*(str(warning.message).partition(": ")[2] for warning in caught), sep="\n")
    assert alike > 0.99
    for precision in (None, "float32"):  # as the preset computes unasked, in int8, and exactly
        by_images = dice(images.mask, segmenter.predict(images, precision=precision).mask)
        found = segmenter.predict(native, precision=precision)
        by_native, by_flair = (
            dice(drawn, each.mask) for each in (found, segmenter.predict(alone, precision=precision))
        )
        print(
            f"{found.engine} in {found.precision}: Dice against the drawn mask {by_images:.3f} from the dataset's TIFFs, "
            f"{by_native:.3f} from native NIfTI, {by_flair:.3f} from its FLAIR alone; found {found.volume_ml:.1f} mL"
        )
        assert by_native > by_images - 0.05
        assert 0.75 < found.volume_ml / drawn_ml < 1.25

    source = nib.load(native_root / "TCGA-FG-6692" / "flair.nii.gz")
    written = nib.load(write_segmentation(found, tmp_path / "mask.nii.gz"))
    assert written.affine.tobytes() == source.affine.tobytes()
    for field in ("sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_x", "pixdim"):
        assert written.header[field].tobytes() == source.header[field].tobytes(), field
