"""Fuzz the readers by coverage, on Linux: `make fuzz SECONDS=120`, or `python -m fuzz.run tiff zip --seconds 600`.

Each target runs in a process of its own, by atheris. It starts from files that it makes, and from what earlier runs found in
`build/fuzz/<target>/corpus`. An input that is a fault is kept beside that folder: make it a test in `test_targets.py`.
"""

import argparse
import importlib
import logging
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import atheris

PACKAGES = ["braintumorseg", "PIL", "nibabel", "pydicom", "safetensors"]
MODULES = [
    "braintumorseg.io.dicom.reader",
    "braintumorseg.io.images",
    "braintumorseg.io.nifti",
    "braintumorseg.io.reading",
    "braintumorseg.zoo.load",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "pydicom.filereader",
    "pydicom.pixels",
]
NAMES = (
    "tiff",
    "png",
    "nifti",
    "nifti-packed",
    "dicom",
    "dicom-alone",
    "dicom-multiframe",
    "zip",
    "preset-config",
    "preset-weights",
    "preset-int8",
)
ADDRESSES = 6 << 30  # of memory that may be asked for, used or not
OUTPUT = Path("build/fuzz")


def fuzz(name, seconds):
    """Fuzz one target, which ends the process."""
    # Compiled by atheris as they are imported, so that nothing imports them before.
    with atheris.instrument_imports(include=PACKAGES):
        for module in MODULES:
            importlib.import_module(module)
    targets = importlib.import_module("fuzz.targets")
    logging.disable(logging.CRITICAL)
    corpus = OUTPUT / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(targets.TARGETS[name].seeds(Path(folder))):
            (corpus / f"seed-{number}").write_bytes(seed)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None

    def one(content):
        folder = tempfile.mkdtemp(dir=memory)
        start = time.process_time()
        try:
            targets.outcome(name, content, folder)
        finally:
            shutil.rmtree(folder)
        spent = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if spent > targets.SECONDS or peak > targets.MEMORY:
            msg = f"{spent:.1f} s and {peak / 2**30:.2f} GiB for {len(content)} bytes"
            raise RuntimeError(msg)

    options = {
        "max_total_time": seconds,
        "max_len": targets.LARGEST,
        "timeout": 6 * targets.SECONDS,  # by the clock, where other programs take the processor
        "rss_limit_mb": targets.MEMORY >> 20,
        "artifact_prefix": f"{OUTPUT / name}/",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    atheris.Setup([sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)], one)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"which of {', '.join(NAMES)}; all by default")
    parser.add_argument("--seconds", type=int, default=120, help="for all of them together")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        fuzz(arguments.targets[0], arguments.seconds)
        return
    names = arguments.targets or NAMES
    each = max(1, arguments.seconds // len(names))
    failed = []
    for name in names:
        print(f"== {name}: {each} s", flush=True)
        command = [sys.executable, "-m", "fuzz.run", name, "--alone", "--seconds", str(each)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"faults in {', '.join(failed)}: see {OUTPUT}")


if __name__ == "__main__":
    main()
