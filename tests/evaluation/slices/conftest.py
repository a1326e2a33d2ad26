import keras
import pytest

from braintumorseg import Preprocessing, Segmenter, build_resunet, make_study


@pytest.fixture(scope="session")
def studies():
    """Twelve phantoms, with and without tumour in their slices."""
    return [make_study(seed=seed, shape=(10, 64, 64)) for seed in range(12)]


@pytest.fixture(scope="session")
def small():
    """A segmenter that was never trained; the features of some draws tell tumour, of others hardly."""
    keras.utils.set_random_seed(0)
    return Segmenter(build_resunet(filters=(4, 8, 16)), Preprocessing(size=32), name="small")
