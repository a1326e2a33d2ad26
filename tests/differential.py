"""The same head in other files gives the same mask: phantoms under random changes that files may have.

`PYTHONPATH=tests python -m differential --studies 200` predicts each phantom as it is and as each format holds it after other
changes: NIfTI and DICOM in any orientation, with a scale and an offset, more air, another dtype and container; TIFF without
orientation. The masks are compared in world coordinates; of TIFF, which has none, by voxels.
"""

import argparse
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from braintumorseg import Study, load_pretrained, make_study, read_study
from dicom_files import DESCRIPTIONS, write_classic, write_multiframe

FORMATS = ("nifti", "dicom", "tiff")
LEAST = 0.99
NAMES = ("t1", "flair", "t1ce")


@dataclass(frozen=True)
class Stored:
    """A study in a file, and where its voxels lie.

    Attributes:
        path: The file or folder.
        affine: From voxels (slice, row, column) of the study that is read to the world in mm; `None` if it has none.
        start: Of TIFF: the voxel of the file where the phantom starts.
        changes: In words.
    """

    path: Path
    affine: object
    start: tuple
    changes: str


def phantom(random):
    """A phantom of whole intensities, as scanners store them, 0 to 255."""
    shape = (int(random.integers(8, 24)), *(int(side) for side in random.integers(96, 200, 2)))
    study = make_study(int(random.integers(1 << 30)), shape=shape, tumours=int(random.integers(1, 3)))
    return study, np.round(study.volume).astype(np.int16)


def padded(volume, random):
    """Add rows, columns and slices of air, drawn from the image's own. Return the volume, and where the old one starts.

    Zeros around air that is noise would be another image: its background is 0, and not the noise's usual value.
    """
    widths = [tuple(int(each) for each in random.integers(0, most, 2)) for most in (3, 30, 30)]
    start = tuple(before for before, _ in widths)
    shape = [length + before + after for length, (before, after) in zip(volume.shape, widths, strict=False)]
    corners = np.concatenate([volume[:, rows, :8].reshape(-1, 3) for rows in (slice(0, 8), slice(-8, None))])
    air = random.choice(corners, shape)
    air[tuple(slice(first, first + length) for first, length in zip(start, volume.shape, strict=False))] = volume
    return air, start


def moved(affine, start):
    """Return the affine of an array that has more voxels before its first one."""
    step = np.eye(4)
    step[:3, 3] = -np.array(start)[::-1]
    return affine @ step


def turned(volume, affine, random):
    """Turn an array (slice, row, column, sequence) to (i, j, k, sequence) in any order and direction of axes."""
    array = volume.transpose(2, 1, 0, 3)
    axes, signs = random.permutation(3), random.choice([-1, 1], 3)
    orientation = np.stack([axes, signs], axis=1)
    names = "".join(nib.orientations.ornt2axcodes(np.stack([np.argsort(axes), signs], axis=1)))
    turn = nib.orientations.inv_ornt_aff(orientation, array.shape[:3])
    return (
        np.stack([nib.apply_orientation(each, orientation) for each in np.moveaxis(array, 3, 0)], 3),
        affine @ turn,
        names,
    )


def store_nifti(volume, affine, folder, random):
    volume, start = padded(volume, random)
    array, affine, names = turned(volume, moved(affine, start), random)
    dtype = np.dtype(str(random.choice(["uint8", "int16", ">i2", "uint16", "int32", "float32", "float64"])))
    scale, offset = float(random.choice([1, 0.01, 37.5])), float(random.choice([0, -500, 1000]))
    suffix, layout = random.choice([".nii", ".nii.gz"]), random.choice(["4-D", "files"])
    real = dtype.kind == "f"
    header = nib.Nifti1Header(endianness=">" if dtype.str[0] == ">" else "<")
    stored = (array * scale + offset if real else array).astype(dtype)

    def save(values, path):
        image = nib.Nifti1Image(values, affine, header)
        image.set_data_dtype(dtype)
        if not real:
            image.header.set_slope_inter(scale, offset)
        path.parent.mkdir(exist_ok=True, parents=True)
        nib.save(image, path)

    if layout == "4-D":
        path = folder / f"case{suffix}"
        save(stored, path)
    else:
        path = folder / "case"
        for index, name in enumerate(NAMES):
            save(stored[..., index], path / f"case_{name}{suffix}")
    changes = f"{layout} {suffix} {dtype} axes {names}, x {scale:g} + {offset:g}, air {start}"
    return Stored(path, affine, start, changes)


def store_dicom(volume, affine, folder, random):
    volume, start = padded(volume, random)
    array, affine, names = turned(volume, moved(affine, start), random)
    scale = int(random.choice([2, 8, 40]))
    kind = str(random.choice(["classic", "classic", "multi-frame", "zip"]))
    tags = {"PixelPaddingValue": 5} if kind != "multi-frame" and random.random() < 0.3 else {}  # 5 is stored for 0
    path = folder / "case"
    for number, (index, name) in enumerate(zip(range(3), NAMES, strict=True), start=1):
        slices = array[..., index].transpose(2, 1, 0) * scale
        if kind == "multi-frame":
            write_multiframe(path / name, slices, affine, DESCRIPTIONS[name], number)
        else:
            write_classic(path / name, slices, affine, DESCRIPTIONS[name], number, **tags)
    if kind == "zip":
        with zipfile.ZipFile(folder / "case.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for each in sorted(path.rglob("*")):
                archive.write(each, each.relative_to(folder))
        path = folder / "case.zip"
    return Stored(path, affine, start, f"{kind} axes {names}, x {scale}, air {start}, {tags or 'no padding'}")


def store_tiff(volume, affine, folder, random):
    volume, start = padded(volume, random)
    layout = str(random.choice(["tif", "png", "pages"]))
    images = [Image.fromarray(each.astype(np.uint8)) for each in volume]
    compression = str(random.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"]))
    if layout == "pages":
        path = folder / "case.tif"
        images[0].save(path, save_all=True, append_images=images[1:], compression=compression)
    else:
        path = folder / "case"
        path.mkdir()
        options = {"compression": compression} if layout == "tif" else {}
        for number, image in enumerate(images, 1):
            image.save(path / f"case_{number}.{layout}", **options)
    return Stored(path, None, start, f"{layout} {compression}, air {start}")


STORES = {"nifti": store_nifti, "dicom": store_dicom, "tiff": store_tiff}


def compare(reference, affine, found, stored):
    """Return the Dice of two masks on the reference's grid; what lies outside of it counts as missed."""
    points = np.argwhere(found.mask)
    if stored.affine is None:
        places = points - stored.start
    else:
        world = nib.affines.apply_affine(found.geometry.affine, points)
        places = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), world)).astype(int)
    inside = ((places >= 0) & (places < reference.shape)).all(axis=1)
    mask = np.zeros_like(reference)
    mask[tuple(places[inside].T)] = True
    total = len(points) + np.count_nonzero(reference)
    return 2 * np.count_nonzero(mask & reference) / total if total else 1.0


def check(segmenter, seed, kind, folder):
    """Compare a phantom as it is with what a file of one format holds of it after changes.

    Returns:
        Dice of both masks, voxels of the phantom's, and the changes in words.
    """
    random = np.random.default_rng([seed, FORMATS.index(kind)])
    study, volume = phantom(np.random.default_rng(seed))
    geometry = None if kind == "tiff" else study.geometry
    stored = STORES[kind](volume, study.geometry.file_affine, Path(folder), random)
    reference = segmenter.predict(Study(volume, NAMES, geometry=geometry))
    with warnings.catch_warnings(action="ignore"):
        found = segmenter.predict(read_study(stored.path))
    return compare(reference.mask, study.geometry.affine, found, stored), reference.voxels, stored.changes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first phantom")
    parser.add_argument("--preset", default="resunet-lgg-small")
    arguments = parser.parse_args()
    segmenter = load_pretrained(arguments.preset)
    start, lowest, below, empty = time.monotonic(), dict.fromkeys(FORMATS, 1.0), 0, 0
    for seed in range(arguments.first, arguments.first + arguments.studies):
        for kind in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                same, voxels, changes = check(segmenter, seed, kind, folder)
            lowest[kind], empty = min(lowest[kind], same), empty + (voxels == 0)
            if same < LEAST:
                below += 1
                print(f"seed {seed}: Dice {same:.4f} of {voxels} voxels as {kind} {changes}", flush=True)
    spent = time.monotonic() - start
    print(f"{arguments.studies} phantoms in {spent:.0f} s; {empty} empty references; {below} comparisons below {LEAST}")
    print(f"lowest Dice: {', '.join(f'{kind} {value:.4f}' for kind, value in lowest.items())}")
    sys.exit(below > 0)


if __name__ == "__main__":
    main()
