"""The configuration of a training run, frozen, which goes to TOML and back."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import keras
import tomli_w

from braintumorseg import losses, models
from braintumorseg._core.checks import DataError, check_in, check_integer, check_range, wrong
from braintumorseg._core.choices import TrainingPrecision
from braintumorseg._core.files import replacing
from braintumorseg.augmentation import Augmentation
from braintumorseg.inference.labelling import Labelling
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.study import TUMOR, Classes, as_classes, from_configs
from braintumorseg.training.parts import CoarseConfig, OptimizerConfig
from braintumorseg.training.sampling import SamplingConfig

_ROUND = 100  # steps
RECIPES = Path(__file__).with_name("recipes")

_LOSSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "binary_focal": losses.BinaryFocal,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "dice": losses.Dice,
    "focal_tversky": losses.FocalTversky,
    "jaccard": losses.Jaccard,
    "tversky": losses.Tversky,
}


@dataclass(frozen=True)
class TrainConfig:
    """The configuration of a training run: with the data, it decides the trained weights.

    Attributes:
        name: Name of the trained model.
        model: ``name`` of an architecture (``"resunet"``, ``"unet"``) and arguments of its builder.
        steps: Number of batches to train on.
        start: Name or folder of a preset whose weights the run starts from, of the same model and preprocessing. Empty for
            new weights.
        freeze: ``"encoder"`` to train neither the encoder nor the bottleneck of a model that starts from a preset; empty to
            train all of it.
        batch_size: Slices per batch, over all devices.
        seed: Seed of the first weights, the sampling and the augmentation; any integer from 0.
        precision: Keras's policy: ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``.
        round_steps: Steps per round. After each round the state is saved and a line is logged. ``steps`` must be a
            multiple of it. 0 stands for the divisor of ``steps`` that is nearest to 100.
        validate_every: Rounds from one validation to the next. The last round is always validated.
        keep_best: Whether the best checkpoint is kept too, as the preset ``best/`` in the run's folder: the averaged
            weights with the highest mean Dice over the validation patients. Its scores on these patients flatter.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: The finished model drops components of fewer voxels, and fills smaller holes. Validation does not.
        preprocessing: The preprocessing, which is stored with the weights.
        coarse: A first part of the training on smaller images.
        sampling: The choice of slices for a batch.
        augmentation: Arguments of ``Augmentation``, except its sequences and its seed.
        loss: Terms of the loss: each has a ``name``, a ``weight``, and the options of the loss of that name.
        optimizer: The optimizer, with its schedule and its moving average.
        classes: The classes that the model tells apart, in any form that ``as_classes`` takes, such as
            ``{"necrosis": 1, "edema": 2, "enhancing": 4}``; the background is not counted.
        nested: Whether each class lies within the one before it: the model then has a sigmoid per region. Else several classes
            exclude each other, by a softmax.
        card: Texts for the card that only you know: ``summary``, ``data``, ``split``, ``licence``, ``intended_use``,
            ``limits``. Numbers of patients, recipe and scores come from the run; texts that nobody states stay empty.

    Raises:
        ValueError: If an attribute is not as stated, or a table has a key that nothing reads.

    Examples:
        >>> from braintumorseg import TrainConfig
        >>> config = TrainConfig("mine", model={"name": "unet", "filters": [4, 8]}, steps=400)
        >>> config.write("mine.toml").name
        'mine.toml'
        >>> TrainConfig.read("mine.toml") == config
        True
    """

    name: str
    model: Mapping[str, Any]
    steps: int
    start: str = ""
    freeze: str = ""
    batch_size: int = 16
    seed: int = 0
    precision: str = "float32"
    round_steps: int = 0
    validate_every: int = 5
    keep_best: bool = False
    threshold: float = 0.5
    min_voxels: int = 0
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    coarse: CoarseConfig = field(default_factory=CoarseConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    loss: tuple[Mapping[str, Any], ...] = ({"name": "binary_crossentropy"}, {"name": "dice", "per": "batch"})
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    classes: Classes = TUMOR
    nested: bool = False
    card: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", as_classes(self.classes))
        check_in("nested", self.nested, (False, True))
        if self.nested and len(self.classes) == 1:
            msg = wrong("nested", "false for one class", self.nested)
            raise ValueError(msg)
        object.__setattr__(self, "loss", tuple(dict(term) for term in self.loss))
        for name, text, empty in (("name", self.name, False), ("start", self.start, True)):
            if not isinstance(text, str) or not (text.strip() or empty):
                msg = wrong(name, "a text" if empty else "a name that is not empty", repr(text))
                raise ValueError(msg)
        check_in("freeze", self.freeze, ("", "encoder"))
        if self.freeze and not self.start:
            msg = wrong("freeze", "empty where start is, for new weights have to be trained", repr(self.freeze))
            raise ValueError(msg)
        check_integer("steps", self.steps, 1)
        check_integer("round_steps", self.round_steps, 0)
        if not self.round_steps:
            object.__setattr__(self, "round_steps", _nearest_divisor(self.steps, _ROUND))
        for name in ("batch_size", "validate_every"):
            check_integer(name, getattr(self, name), 1)
        check_in("keep_best", self.keep_best, (False, True))
        check_integer("seed", self.seed, 0)
        check_integer("min_voxels", self.min_voxels, 0)
        check_range("threshold", self.threshold, 0, 1, low_open=True)
        check_in("precision", self.precision, get_args(TrainingPrecision))
        for name, steps in (("steps", self.steps), ("coarse.steps", self.coarse.steps)):
            if steps % self.round_steps:
                msg = wrong(name, f"a multiple of round_steps, which is {self.round_steps}", steps)
                raise ValueError(msg)
        if self.coarse.steps > self.steps:
            msg = wrong("coarse.steps", f"at most steps, which is {self.steps}", self.coarse.steps)
            raise ValueError(msg)
        _check_keys("card", self.card, ("summary", "data", "split", "licence", "intended_use", "limits"))
        multiple = 2 ** (len(self.architecture["filters"]) - 1)
        sizes = {"preprocessing.size": self.preprocessing.size} | (
            {"coarse.size": self.coarse.size} if self.coarse.steps else {}
        )
        for name, size in sizes.items():
            if size % multiple:
                msg = wrong(name, f"a multiple of {multiple}, as the model halves it", size)
                raise ValueError(msg)
        self.build_augmentation()
        self.build_loss()

    @property
    def architecture(self) -> dict[str, Any]:
        """Name of the architecture, and every argument of its builder, as a preset stores them."""
        arguments = dict(self.model)
        name = arguments.pop("name", None)
        check_in("model.name", name, tuple(models.ARCHITECTURES))
        known = inspect.signature(models.ARCHITECTURES[name]).parameters
        _check_keys("model", arguments, tuple(set(known) - {"input_shape", "classes", "activation"}))
        defaults = {key: parameter.default for key, parameter in known.items()}
        complete = {**defaults, "input_shape": (None, None, len(self.preprocessing.sequences)), **arguments}
        complete["classes"] = len(self.classes)
        complete["activation"] = "softmax" if len(self.classes) > 1 and not self.nested else "sigmoid"
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in complete.items()}
        return {"name": name, **plain}

    @property
    def labelling(self) -> Labelling:
        """The meaning of the model's output channels."""
        return Labelling(self.classes, self.nested)

    def build_model(self) -> keras.Model:
        """Return a new model, its weights drawn from the seed."""
        arguments = self.architecture
        builder = models.ARCHITECTURES[arguments.pop("name")]
        keras.utils.set_random_seed(self.seed)
        return builder(**arguments)

    def build_augmentation(self) -> Augmentation:
        """Return what is done to the batches."""
        known = inspect.signature(Augmentation).parameters
        _check_keys("augmentation", self.augmentation, tuple(set(known) - {"kwargs", "sequences", "reference", "seed"}))
        sequences = self.preprocessing.sequences
        reference = next((name for name in self.preprocessing.fill_from if name in sequences), "flair")
        return Augmentation(**self.augmentation, sequences=sequences, reference=reference, seed=self.seed)

    def build_loss(self) -> keras.losses.Loss:
        """Return the loss: the weighted sum of its terms."""
        terms = []
        for term in self.loss:
            options = dict(term)
            name, weight = options.pop("name", None), options.pop("weight", 1.0)
            check_in("loss.name", name, tuple(_LOSSES))
            try:
                terms.append((_LOSSES[name](**options), weight))
            except (TypeError, ValueError) as error:
                msg = f"loss {name}: {error}"
                raise ValueError(msg) from error
        return losses.WeightedSum(terms)

    def replace(self, **changes: Any) -> TrainConfig:
        """Return a configuration with some attributes changed.

        Where ``steps`` is, ``round_steps`` and the steps of the coarse part follow it, unless they are changed too.
        """
        if "steps" in changes:
            followed = self._follow(changes["steps"], changes.get("round_steps"))
            changes.setdefault("round_steps", followed["round_steps"])
            changes.setdefault("coarse", replace(self.coarse, steps=followed["coarse.steps"]))
        return replace(self, **changes)

    def _follow(self, steps: Any, round_steps: Any = None) -> dict[str, Any]:
        """Return the steps of a round, and of the coarse part, of a run of so many steps: like those of this run.

        Values that are no integers are handed on, to be refused by name.
        """
        if not _is_count(steps):
            return {"round_steps": self.round_steps, "coarse.steps": self.coarse.steps}
        length = round_steps if _is_count(round_steps) else _nearest_divisor(steps, self.round_steps)
        coarse = self.coarse.steps * steps // self.steps
        return {"round_steps": length, "coarse.steps": coarse - coarse % length}

    def set(self, assignments: Iterable[str]) -> TrainConfig:
        """Return a configuration with some values changed, as the command line states them.

        Args:
            assignments: Each ``key=value``: keys of tables with a dot (``optimizer.learning_rate=3e-4``), values as in TOML,
                texts with or without quotes. Where ``steps`` is set and they are not, ``round_steps`` and ``coarse.steps``
                follow it: a round keeps about its length, the coarse part its share.

        Raises:
            ValueError: If a key is unknown or a value is not allowed.

        Examples:
            >>> from braintumorseg import TrainConfig
            >>> config = TrainConfig("mine", model={"name": "unet", "filters": [4, 8]}, steps=400)
            >>> changed = config.set(["steps=20", "optimizer.ema=0.9"])
            >>> changed.optimizer.ema, changed.round_steps
            (0.9, 20)
        """
        table = self.get_config()
        given: dict[str, Any] = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            *path, last = key.strip().split(".")
            place = table
            for name in path:
                place = place.get(name) if isinstance(place, dict) else None  # type: ignore[assignment]
            open_tables = (["model"], ["augmentation"], ["card"])
            if not equals or not isinstance(place, dict) or (last not in place and path not in open_tables):
                msg = wrong("set", f"key=value with a key of the configuration ({', '.join(table)})", repr(assignment))
                raise ValueError(msg)
            place[last] = given[key.strip()] = _value(text.strip())
        if "steps" in given and isinstance(table["coarse"], dict):
            followed = self._follow(given["steps"], given.get("round_steps"))
            if "round_steps" not in given:
                table["round_steps"] = followed["round_steps"]
            if not {"coarse.steps", "coarse"} & set(given):
                table["coarse"]["steps"] = followed["coarse.steps"]
        return TrainConfig.from_config(table)

    def get_config(self) -> dict[str, Any]:
        """Return the attributes as plain data that TOML and JSON can hold."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=dict))
        return plain

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrainConfig:
        """Build from what ``get_config`` returned; what is left out keeps its default.

        Raises:
            ValueError: If a key is unknown or lacking, or a value is not allowed.
        """
        _check_keys("configuration", config, tuple(each.name for each in fields(cls)))
        values = dict(config)
        if isinstance(values.get("classes"), list) and all(isinstance(each, Mapping) for each in values["classes"]):
            values["classes"] = from_configs(values["classes"])
        for name, kind in (
            ("preprocessing", Preprocessing),
            ("coarse", CoarseConfig),
            ("sampling", SamplingConfig),
            ("optimizer", OptimizerConfig),
        ):
            if name in values:
                _check_keys(name, values[name], tuple(each.name for each in fields(kind)))
                values[name] = kind(**values[name])
        lacking = [name for name in ("name", "model", "steps") if name not in values]
        if lacking:
            msg = wrong("configuration", "a table with name, model and steps", f"one without {lacking[0]}")
            raise ValueError(msg)
        return cls(**values)

    @classmethod
    def read(cls, source: str | PathLike[str]) -> TrainConfig:
        """Read a configuration.

        Args:
            source: Name of a released recipe (``recipes()`` lists them), or a path to a TOML file.

        Raises:
            DataError: If there is no such file, or it is not a configuration; the message says where.
        """
        path = RECIPES / f"{source}.toml" if str(source) in recipes() else Path(source)
        try:
            return cls.from_config(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        except OSError as error:
            allowed = f"expected a TOML file, or one of the recipes {', '.join(recipes())}"
            msg = f"{path}: can't be read ({error.strerror}); {allowed}"
            raise DataError(msg) from error
        except (ValueError, TypeError) as error:  # not TOML, not UTF-8, or a value of the wrong kind
            msg = f"{path}: {error}"
            raise DataError(msg) from error

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the configuration as TOML, every value stated.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        with replacing(path, overwrite=overwrite) as beside:
            beside.write_text(tomli_w.dumps(self.get_config()), encoding="utf-8")
        return path

    def digest(self) -> str:
        """Return a short hash of all that decides a run, for its card and its state.

        The texts of the card are left out, for they change no weights. So is ``start``: a preset may move, and the state
        holds a hash of its weights.
        """
        left = ("card", "start", *(("classes", "nested") if self.classes == TUMOR else ()))
        left += () if self.freeze else ("freeze",)  # the digests of before there was such a key stay
        config = {key: value for key, value in self.get_config().items() if key not in left}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def recipes() -> list[str]:
    """Return the names of the released recipes, which ``TrainConfig.read`` takes.

    Examples:
        >>> from braintumorseg.training import recipes
        >>> "resunet-lgg" in recipes()
        True
    """
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def _check_keys(name: str, table: object, known: Iterable[str]) -> None:
    if not isinstance(table, Mapping):
        msg = wrong(name, "a table", repr(table))
        raise ValueError(msg)
    unknown = sorted(set(table) - set(known))
    if unknown:
        msg = wrong(name, f"a table with keys out of {', '.join(sorted(known))}", f"the key {unknown[0]!r}")
        raise ValueError(msg)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _nearest_divisor(number: int, wanted: int) -> int:
    """Return the divisor of a number that is nearest to another, by their ratio; the greater one of two."""
    divisors = [each for each in range(1, math.isqrt(number) + 1) if number % each == 0]
    divisors += [number // each for each in divisors]
    return min(divisors, key=lambda each: (max(each / wanted, wanted / each), -each))


def _value(text: str) -> Any:
    """Read a value as TOML does; what TOML can't read is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
