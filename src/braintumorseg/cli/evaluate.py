"""``braintumorseg evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg.cli._common import (
    USAGE,
    Engine,
    EngineOption,
    Overwrite,
    Part,
    PrecisionOption,
    Preset,
    check_free,
    check_preset,
    fail,
    lgg_part,
    load,
    out,
    progress_bar,
    silent_native_code,
)

if TYPE_CHECKING:
    from braintumorseg import Segmenter, Study
    from braintumorseg.evaluation import Evaluation

_EXAMPLES = ("best", "median", "worst")
_TTA = "with_tta.json"
_ROBUSTNESS = ("robustness.csv", "robustness.json")


class _Studies:
    """What is evaluated on: where each study is, and how they are called together."""

    def __init__(self, paths: Mapping[str, Path], dataset: bts.LGGDataset | None, called: str) -> None:
        self.paths, self.dataset, self.called = paths, dataset, called

    @classmethod
    def find(cls, data: Path, split: Part | None) -> _Studies:
        if not data.is_dir():
            fail(f"--data {data}: is not a folder", USAGE)
        if (data / "data.csv").is_file():
            part = split or Part.val
            dataset = lgg_part(bts.LGGDataset(data), part)
            paths = {name: dataset.path(name) for name in dataset.patients}
            return cls(paths, dataset, f"{part.value} patients of the LGG dataset")
        if split is not None:
            fail(f"--split {split.value}: is of the LGG dataset; {data} holds no data.csv", USAGE)
        named: dict[str, Path] = {}
        for path in bts.find_studies(data):
            if path.name in named:
                fail(f"{path} and {named[path.name]}: are two studies of one name; evaluate them apart", USAGE)
            named[path.name] = path
        return cls(named, None, f"studies of {data.absolute().name}")

    @property
    def institutions(self) -> dict[str, str] | None:
        return self.dataset.institutions if self.dataset else None

    def read(self, name: str) -> Study:
        return self.dataset.study(name) if self.dataset else bts.read_study(self.paths[name])

    def __iter__(self) -> Iterator[Study]:
        return map(self.read, self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def evaluate(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder, or any folder of studies with masks.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results.")],
    split: Annotated[Part | None, typer.Option(help="Patients of the LGG dataset; val if not given.")] = None,
    preset: Preset = "resunet-lgg",
    tta: Annotated[
        bool, typer.Option("--tta", help="Measure with test-time augmentation (mirror images) too, and compare.")
    ] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Measure what is lost where the studies are changed.")
    ] = False,
    engine: EngineOption = Engine.auto,
    precision: PrecisionOption = None,
    card: Annotated[bool, typer.Option("--card", help="Write all that is measured into the preset's card.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Measure a model on studies with known masks, by patient and by every convention."""
    check_preset(preset)
    if card and not Path(preset, "braintumorseg.json").is_file():
        fail(f"--card: writes into the folder of a preset; --preset {preset} is not one", USAGE)
    studies = _Studies.find(data, split)
    _check_free(output, tta=tta, robustness=robustness, overwrite=overwrite)
    if card and (precision is not None or engine is not Engine.auto):
        fail("--card: measures the preset with its own settings; leave out --engine and --precision", USAGE)
    segmenter = load(preset, engine, precision)
    with silent_native_code():
        _ = bts.evaluate, bts.evaluation.measure_robustness  # frameworks greet at their first import

    institutions = studies.institutions
    in_precision: Literal["float32", "int8"] | None = precision.value if precision else None
    segmenter.precision = in_precision or segmenter.precision  # for pictures and robustness too
    measure = partial(bts.evaluate, segmenter, institutions=institutions, engine=engine.value)
    evaluation = measure(_shown(studies, "measuring"), precision=in_precision)
    bts.evaluation.write_evaluation(evaluation, output, overwrite=overwrite)
    _draw_examples(segmenter, studies, evaluation, output, overwrite=overwrite)
    _print_patients(evaluation)
    _print(str(evaluation))
    augmented = other = changed = None
    if tta:
        augmented = measure(_shown(studies, "with mirror images"), tta=True, precision=in_precision)
        augmented.to_json(output / _TTA, overwrite=overwrite)
        _print(f"{augmented.label}: {augmented.summary()}\n{bts.evaluation.compare(evaluation, augmented)}")
    if card and evaluation.precision == "int8":
        other = measure(_shown(studies, "in float32"), precision="float32")
        _print(f"{other.label}: {other.summary()}\n{bts.evaluation.compare(other, evaluation)}")
    if robustness:
        changed = bts.evaluation.measure_robustness(segmenter, _shown(studies, "changing"))
        changed.to_csv(output / _ROBUSTNESS[0], overwrite=overwrite)
        changed.to_json(output / _ROBUSTNESS[1], overwrite=overwrite)
        _print(str(changed))
    if card:
        bts.zoo.write_card(preset, studies.called, evaluation, tta=augmented, other_precision=other, robustness=changed)
        _print(f"card: {Path(preset) / 'CARD.md'}")
    _print(f"tables and pictures: {output}")


def _check_free(output: Path, *, tta: bool, robustness: bool, overwrite: bool) -> None:
    """Refuse before the work what would fail after it."""
    names = ["patients.csv", "evaluation.json", "summary.txt", "dice.png", *(f"{kind}.png" for kind in _EXAMPLES)]
    names += [_TTA] * tta + list(_ROBUSTNESS) * robustness
    check_free((output / name for name in names), overwrite=overwrite)


def _shown(studies: _Studies, doing: str) -> Iterator[Study]:
    """Yield the studies under a bar of progress."""
    with progress_bar() as progress:
        yield from progress.track(studies, total=len(studies), description=doing)


def _draw_examples(
    segmenter: Segmenter, studies: _Studies, evaluation: Evaluation, output: Path, *, overwrite: bool
) -> None:
    """Draw the patients of the highest, the middle and the lowest Dice; of an even number the lower of the middle two."""
    names = evaluation.table.sort_values(["dice", "name"])["name"].tolist()
    for kind, name in zip(_EXAMPLES, (names[-1], names[(len(names) - 1) // 2], names[0]), strict=True):
        study = studies.read(name)
        bts.save_overlay(study, segmenter.predict(study), output / f"{kind}.png", overwrite=overwrite)


def _print_patients(evaluation: Evaluation) -> None:
    """Print each patient's main measures, the lowest Dice first."""
    lengths, volumes = (" or ".join(evaluation.table[column].unique()) for column in ("length_unit", "volume_unit"))
    table = Table(
        title=f"{evaluation.label}, each patient over the whole volume, every slice in",
        caption=f"HD95 in {lengths}, tumour in {volumes}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("patient", overflow="fold")
    for column in ("Dice", "precision", "recall", "HD95", "tumour"):
        table.add_column(column, justify="right")
    for row in evaluation.table.sort_values(["dice", "name"]).to_dict("records"):
        shares = (f"{row[column]:.3f}" for column in ("dice", "precision", "recall"))
        table.add_row(escape(row["name"]), *shares, f"{row['hd95']:.1f}", f"{row['true_volume']:.0f}")
    out.print(table)


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
