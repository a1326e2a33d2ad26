"""Many studies: read, predicted and written side by side, a few in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from braintumorseg._core.checks import DataError, check_integer
from braintumorseg._core.optional import import_ahead
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.inference.stages import Outputs, Prediction
from braintumorseg.io import read_study
from braintumorseg.preprocessing.transform import Prepared
from braintumorseg.runtimes.choice import Engine, Precision
from braintumorseg.study import Segmentation, Study

Then = Callable[[Study, Segmentation, Any], Any]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What became of one of many studies.

    Attributes:
        source: What it was read from, as given.
        segmentation: What was found; ``None`` where it failed.
        result: What ``then`` returned.
        error: Why it failed; ``None`` where it did not.
    """

    source: Any
    segmentation: Segmentation | None
    result: Any = None
    error: DataError | None = None


def predict_many(
    segmenter: Segmenter,
    sources: Iterable[Any],
    *,
    read: Callable[[Any], Study] = read_study,
    then: Then | None = None,
    tta: bool = False,
    uncertainty: bool = False,
    batch_size: int = 8,
    engine: Engine = "auto",
    precision: Precision | None = None,
    ahead: int = 2,
) -> Iterator[Predicted]:
    """Predict many studies, and survive those that can't be used.

    While the network runs for one study, the next ones are read and prepared, and the ones before are brought back to their own
    grid and written. At most ``ahead`` studies wait at either side, so that memory does not grow with their number.

    Args:
        segmenter: The segmenter.
        sources: Studies' paths, or whatever ``read`` takes; asked for one after the other, as they are needed.
        read: Turns a source into a ``Study``; called by one thread.
        then: What is to be done with each study, its segmentation and its source, such as to write it; called by one thread,
            in the order of the sources.
        tta: As for :meth:`Segmenter.predict`, and so the following four.
        uncertainty: Whether to predict variants too.
        batch_size: How many slices go through the model at once at most.
        engine: What runs the network.
        precision: What it computes in.
        ahead: How many studies may wait for the network, and behind it.

    Yields:
        One ``Predicted`` a source, in their order. A ``DataError`` of ``read``, of the prediction or of ``then`` is in its
        ``error``; others are raised.

    Raises:
        ValueError: If an argument is not as stated, or the engine can't run the model; before any study is read.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study, predict_many
        >>> segmenter = load_pretrained("resunet-lgg")
        >>> found = predict_many(segmenter, [0, 1], read=lambda seed: make_study(seed, shape=(4, 64, 64)))
        >>> [(each.source, each.segmentation.shape) for each in found]
        [(0, (4, 64, 64)), (1, (4, 64, 64))]
    """
    prediction = segmenter.prediction(
        tta=tta, uncertainty=uncertainty, batch_size=batch_size, engine=engine, precision=precision
    )
    return run_many(prediction, sources, read=read, then=then, ahead=ahead)


def run_many(
    prediction: Prediction,
    sources: Iterable[Any],
    *,
    read: Callable[[Any], Study] = read_study,
    then: Then | None = None,
    ahead: int = 2,
) -> Iterator[Predicted]:
    """Do the work of :func:`predict_many` with an engine that is chosen already.

    Args:
        prediction: What ``Segmenter.prediction`` returned.
        sources: As for :func:`predict_many`, and so the following three.
        read: Turns a source into a ``Study``.
        then: What is to be done with each study, its segmentation and its source.
        ahead: How many studies may wait for the network, and behind it.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> from braintumorseg.inference import run_many
        >>> prediction = load_pretrained("resunet-lgg").prediction(tta=True)
        >>> found = run_many(prediction, [0], read=lambda seed: make_study(seed, shape=(4, 64, 64)))
        >>> [each.segmentation.engine == prediction.choice.engine for each in found]
        [True]
    """
    check_integer("ahead", ahead, 1)

    def begin(source: Any) -> tuple[Study, Prepared]:
        study = read(source)
        return study, prediction.prepare(study)

    def end(source: Any, study: Study, prepared: Prepared, outputs: Outputs) -> Predicted:
        try:
            segmentation = prediction.finish(study, prepared, outputs)
            return Predicted(source, segmentation, then(study, segmentation, source) if then else None)
        except DataError as error:
            return Predicted(source, None, error=error)

    remaining = iter(sources)
    begun: deque[tuple[Any, Future[tuple[Study, Prepared]]]] = deque()
    ended: deque[Future[Predicted]] = deque()
    reader, writer = (ThreadPoolExecutor(1, f"predict_many {job}") for job in ("read", "write"))

    def read_on() -> None:
        begun.extend((source, reader.submit(begin, source)) for source in islice(remaining, ahead - len(begun)))

    try:
        read_on()
        import_ahead("scipy.ndimage")  # for components; like the first study, it comes while the network is compiled
        prediction.warm_up()
        while begun:
            source, future = begun.popleft()
            read_on()
            try:
                study, prepared = future.result()
                ended.append(writer.submit(end, source, study, prepared, prediction.compute(prepared)))
            except DataError as error:
                ended.append(writer.submit(Predicted, source, None, error=error))
            while len(ended) > ahead or (ended and ended[0].done()):
                yield ended.popleft().result()
        while ended:
            yield ended.popleft().result()
    finally:  # also where the caller stops early
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)
