"""What tests of slice classification share, in whichever room they are."""

import pytest

import braintumorseg as bts
from braintumorseg._core.optional import lazy

keras = lazy("keras")  # most tests need none


@pytest.fixture(scope="session")
def studies():
    """Twelve phantoms, with and without tumour in their slices."""
    return [bts.make_study(seed=seed, shape=(10, 64, 64)) for seed in range(12)]


@pytest.fixture(scope="session")
def small():
    """A segmenter that was never trained; the features of some draws tell tumour, of others hardly."""
    keras.utils.set_random_seed(0)
    model = bts.build_resunet(filters=(4, 8, 16))
    return bts.Segmenter(model, bts.Preprocessing(size=32), name="small")
