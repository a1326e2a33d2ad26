import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, build_unet, load_pretrained
from braintumorseg.cache import CachedStudy
from braintumorseg.training.teachers import Teachers

PREPROCESSING = Preprocessing(size=16)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Two presets with weights of their own, one of them for images of another size."""
    import keras

    folders = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        model = build_unet(filters=(4, 8))
        segmenter = Segmenter(model, Preprocessing(size=16 + 16 * seed), name=f"teacher_{seed}")
        folders.append(segmenter.save(tmp_path_factory.mktemp("presets") / "preset"))
    return [str(folder) for folder in folders]


def study(seed=0):
    images = np.random.default_rng(seed).normal(0, 1, (3, 16, 16, 3)).astype(np.float16)
    return CachedStudy("case", images, np.zeros((3, 16, 16), np.float16))


def test_the_mean_of_all_teachers_and_of_both_sides(presets, tmp_path):
    given = study()
    (taught,) = Teachers(presets, PREPROCESSING).teach([given], tmp_path)
    images = given.images.astype(np.float32)
    expected = []
    for preset in presets:
        model = load_pretrained(preset).model
        expected += [
            model.predict(images, verbose=0),
            model.predict(images[:, :, ::-1], verbose=0)[:, :, ::-1],
        ]
    assert taught.taught.dtype == np.float16
    np.testing.assert_allclose(taught.taught, np.mean(expected, axis=0)[..., 0], atol=1e-3)
    assert taught.images is given.images
    assert np.ptp(taught.taught.astype(np.float32)) > 0.01


def test_a_study_is_taught_once(presets, tmp_path):
    """What lies on disk is read, whoever wrote it; other images, and other teachers, have files of their own."""
    teachers = Teachers(presets, PREPROCESSING)
    teachers.teach([study()], tmp_path)
    (file,) = tmp_path.iterdir()
    np.save(file, np.full((3, 16, 16), 0.25, np.float16))
    (again,) = teachers.teach([study()], tmp_path)
    assert (again.taught == 0.25).all()
    teachers.teach([study(seed=1)], tmp_path)
    Teachers(presets[:1], PREPROCESSING).teach([study()], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_result_is_computed_again(presets, tmp_path):
    teachers = Teachers(presets, PREPROCESSING)
    (first,) = teachers.teach([study()], tmp_path)
    (file,) = tmp_path.iterdir()
    expected, content = np.array(first.taught), file.read_bytes()
    for damaged in (b"", content[:100], content[:-50]):
        file.write_bytes(damaged)
        (again,) = teachers.teach([study()], tmp_path)
        np.testing.assert_array_equal(again.taught, expected)
        assert file.read_bytes() == content


def test_without_teachers_studies_stay_as_they_are(tmp_path):
    given = study()
    assert Teachers([], PREPROCESSING).teach([given], tmp_path / "none") == [given]
    assert not (tmp_path / "none").exists()


def test_a_teacher_of_several_classes_is_refused(tmp_path):
    folder = Segmenter(build_unet(filters=(4, 8), classes=2), PREPROCESSING, name="two").save(tmp_path / "two")
    with pytest.raises(DataError, match=r"teacher.presets: .*two has 2 classes; a teacher has one"):
        Teachers([str(folder)], PREPROCESSING)


@pytest.mark.parametrize(
    ("preset", "preprocessing", "message"),
    [
        ("nowhere", PREPROCESSING, "teacher.presets: .*nowhere"),
        (None, Preprocessing(size=16, ceiling=3.0), "teacher.presets: .* has another preprocessing .*ceiling=4.0"),
    ],
)
def test_who_can_not_teach(presets, preset, preprocessing, message):
    with pytest.raises(DataError, match=message):
        Teachers([preset or presets[0]], preprocessing)
