"""The batches of a run, in its parts: first smaller images where the configuration says so, then whole ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from braintumorseg.datasets.case import Case
from braintumorseg.preprocessing.skull import brain_alone
from braintumorseg.training.cache import PreparedCache
from braintumorseg.training.cached_study import CachedStudy
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.sampling import Sampler


def build_samplers(config: TrainConfig, sources: Sequence[Path | Case], cache: Path) -> list[tuple[int, Sampler]]:
    """Return the parts of the run: each with its last step and what its batches are made of."""
    sizes = [(config.coarse.steps, config.coarse.size)] if config.coarse.steps else []
    sizes.append((config.steps, config.preprocessing.size))
    parts = []
    for last, size in sizes:
        preprocessing = replace(config.preprocessing, size=size)
        whole = _prepared(PreparedCache(cache, preprocessing, classes=config.classes), sources)
        without_skull = PreparedCache(cache, preprocessing, change=brain_alone, classes=config.classes)
        stripped = _prepared(without_skull, sources if config.sampling.stripped_share else ())
        sampler = Sampler(
            whole,
            stripped,
            config.sampling,
            batch_size=config.batch_size,
            seed=config.seed,
            labelling=config.labelling,
        )
        parts.append((last, sampler))
    return parts


def _prepared(cache: PreparedCache, sources: Sequence[Path | Case]) -> list[CachedStudy]:
    return [cache.get(source) for source in sources]


def name_batch(samplers: Sequence[tuple[int, Sampler]], step: int) -> str:
    """Return which slices a step is trained on."""
    sampler = next(sampler for last, sampler in samplers if step < last)
    return ", ".join(f"{drawn.study.name}[{drawn.number}]" for drawn in sampler.draw(step))
