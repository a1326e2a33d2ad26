"""What all tests share, those in docstrings included."""

import os

# Read at the import of TensorFlow and Keras.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores, and more threads than cores only wait for each other
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    os.environ |= dict.fromkeys(threads, "1")
# Read at the import of huggingface_hub: the Hub of the tests speaks HTTP and LFS, and nothing of the developer's counts, be it
# token, cache or mirror.
if theirs := [name for name in os.environ if name.startswith(("HF_", "HUGGINGFACE_"))]:
    for name in theirs:
        del os.environ[name]
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_TOKEN_PATH": os.devnull, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
os.environ["NO_PROXY"] = "127.0.0.1"

import random
from pathlib import Path

import pytest
from hypothesis import settings

from braintumorseg import make_study

# The same examples in every run: a red build is a changed build.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Seed what Keras draws its initial weights from, before any fixture builds a model."""
    random.seed(0)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Each test runs in an empty folder of its own, so that none leaves files in the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def phantom():
    """A small synthetic study, (8, 96, 96), with mask and geometry."""
    return make_study(seed=3, shape=(8, 96, 96))


@pytest.fixture(scope="session")
def lgg_root():
    """The LGG dataset's folder; tests marked lgg are skipped where it is not."""
    root = os.environ.get("BRAINTUMORSEG_LGG")
    if not root or not (Path(root) / "data.csv").is_file():
        pytest.skip("BRAINTUMORSEG_LGG does not name the dataset's folder")
    return Path(root)


@pytest.fixture(scope="session")
def native_root(lgg_root):
    """The folder of native studies, beside the LGG dataset's if it is not named; tests of it are skipped where it is not."""
    root = Path(os.environ.get("BRAINTUMORSEG_NATIVE") or lgg_root.parent / "native")
    if not root.is_dir():
        pytest.skip("BRAINTUMORSEG_NATIVE does not name the folder of native studies")
    return root
