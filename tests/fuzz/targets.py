"""What is fuzzed: files of each format in their place, and what may come of reading them.

Any bytes give a study, or a loaded preset, or a `DataError`. All else is a fault, and so is more than `SECONDS` of the
processor's time or `MEMORY` bytes.
"""

import gzip
import hashlib
import io
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from safetensors.numpy import save as compose_arrays

from braintumorseg import DataError, Preprocessing, load_pretrained, make_study, read_study
from braintumorseg.models import topology
from braintumorseg.presets import Card
from braintumorseg.presets.preset import CONFIG_FILE, INT8_FILE, WEIGHTS_FILE, Preset, compose_preset
from braintumorseg.runtimes import openvino
from dicom_files import write_classic, write_multiframe

SECONDS, MEMORY, LARGEST = 10, 2 << 30, 1 << 20

GRAPH = topology.unet(filters=(2, 2))


@dataclass(frozen=True)
class Target:
    """How bytes become something that is read.

    Attributes:
        seeds: Writes small files that are read well into an empty folder, and returns their bytes.
        read: Puts the bytes into an empty folder and reads what is there.
    """

    seeds: object
    read: object


def volume(slices=3, side=32):
    return np.round(make_study(seed=1, shape=(slices, side, side)).volume).astype(np.uint8)


def pages(file_format, images, **options):
    buffer = io.BytesIO()
    first, *others = images
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(buffer, file_format, **more, **options)
    return buffer.getvalue()


def pictures(file_format, options):
    slices = volume()
    flair = slices[1, ..., 1]
    modes = [
        Image.fromarray(slices[1]),
        Image.fromarray(flair),
        Image.fromarray(flair.astype(np.uint16) * 256),
        Image.fromarray(flair > 60),
    ]
    return [pages(file_format, [image], **each) for image in modes for each in options]


def tiff_seeds(folder):
    compressed = [{"compression": name} for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")]
    stack = [Image.fromarray(each) for each in volume()]
    real = Image.fromarray(volume()[1, ..., 1].astype(np.float32))
    return [*pictures("TIFF", compressed), pages("TIFF", stack, compression="tiff_lzw"), pages("TIFF", [real])]


def png_seeds(folder):
    return pictures("PNG", [{}, {"compress_level": 0}])


def nifti_seeds(folder):
    array = volume().transpose(2, 1, 0, 3)
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    images = [
        nib.Nifti1Image(array[..., 1].astype(np.int16), affine),
        nib.Nifti1Image(array.astype(np.float32), affine),
        nib.Nifti2Image(array[..., 1], affine),
        nib.Nifti1Image(array[..., 1].astype(np.int16), affine, nib.Nifti1Header(endianness=">")),
    ]
    images[0].header.set_slope_inter(0.5, 3)
    images[1].set_qform(affine, 1)
    images[1].set_sform(None, 0)
    return [image.to_bytes() for image in images]


def packed_seeds(folder):
    return [gzip.compress(seed, mtime=0) for seed in nifti_seeds(folder)]


def slices_of(folder, **tags):
    array = volume()[..., 1]
    return write_classic(folder, array, np.diag([-1.0, -1.0, 5.0, 1.0]), **tags)


@cache
def whole_slices():
    with tempfile.TemporaryDirectory() as folder:
        return [path.read_bytes() for path in slices_of(Path(folder))]


def dicom_seeds(folder):
    whole = slices_of(folder / "whole")[1].read_bytes()
    signed = slices_of(folder / "signed", PixelRepresentation=1, BitsStored=12, HighBit=11)[1].read_bytes()
    return [whole, signed, whole[132:]]


def multiframe_seeds(folder):
    path = write_multiframe(folder / "a", volume()[..., 1], np.diag([-1.0, -1.0, 5.0, 1.0]))
    return [path.read_bytes()]


def zip_seeds(folder):
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for path in slices_of(folder / str(method)):
                archive.writestr(f"case/{path.name}", path.read_bytes())
        seeds.append(buffer.getvalue())
    return seeds


@cache
def weights():
    random = np.random.default_rng(0)
    shapes = GRAPH.shapes
    return {path: random.normal(0, 0.1, shape).astype(np.float32) for path, shape in shapes.items()}


@cache
def bounds():
    kernels = {f"{name}/kernel": np.ones(count, np.float32) for name, count in GRAPH.kernels.items()}
    return kernels | {f"{name}/0": np.array([-1, 3], np.float32) for name in GRAPH.kernels}


def preset_of(content, int8=None):
    sums = [None if each is None else hashlib.sha256(each).hexdigest() for each in (content, int8)]
    size = GRAPH.parameters
    return compose_preset(Preset("fuzz", GRAPH, Preprocessing(size=32), 0.5, 8, sums[0], size, Card(), sums[1]))


def config_seeds(folder):
    content, int8 = compose_arrays(weights()), compose_arrays(bounds())
    return [preset_of(content), preset_of(content, int8)]


def weights_seeds(folder):
    return [compose_arrays(weights())]


def int8_seeds(folder):
    return [compose_arrays(bounds())]


def file(name):
    def read(content, folder):
        (folder / name).write_bytes(content)
        return read_study(folder / name)

    return read


def read_beside_slices(content, folder):
    """The bytes take the place of a slice in a series; those beside it are whole."""
    (folder / "case").mkdir()
    (first, _, third) = whole_slices()
    for name, each in (("a", first), ("b", content), ("c", third)):
        (folder / "case" / name).write_bytes(each)
    return read_study(folder / "case")


def read_alone(content, folder):
    (folder / "case").mkdir()
    (folder / "case" / "a.dcm").write_bytes(content)
    return read_study(folder / "case")


def load(folder, config, content, int8):
    for name, each in ((CONFIG_FILE, config), (WEIGHTS_FILE, content), (INT8_FILE, int8)):
        (folder / name).write_bytes(each)
    segmenter = load_pretrained(folder)
    openvino.build(segmenter.network(), segmenter.precision)
    return segmenter


def load_config(content, folder):
    return load(folder, content, compose_arrays(weights()), compose_arrays(bounds()))


def load_weights(content, folder):
    return load(folder, preset_of(content), content, b"")


def load_int8(content, folder):
    whole = compose_arrays(weights())
    return load(folder, preset_of(whole, content), whole, content)


TARGETS = {
    "tiff": Target(tiff_seeds, file("case_1.tif")),
    "png": Target(png_seeds, file("case_1.png")),
    "nifti": Target(nifti_seeds, file("case.nii")),
    "nifti-packed": Target(packed_seeds, file("case.nii.gz")),
    "dicom": Target(dicom_seeds, read_beside_slices),
    "dicom-alone": Target(dicom_seeds, read_alone),
    "dicom-multiframe": Target(multiframe_seeds, read_alone),
    "zip": Target(zip_seeds, file("case.zip")),
    "preset-config": Target(config_seeds, load_config),
    "preset-weights": Target(weights_seeds, load_weights),
    "preset-int8": Target(int8_seeds, load_int8),
}


def outcome(name, content, folder):
    """Return what comes of reading these bytes: a study, a segmenter, or the `DataError` that says why not."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return TARGETS[name].read(content, Path(folder))
        except DataError as error:
            return error
