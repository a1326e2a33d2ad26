"""The card of a preset as the Hugging Face Hub shows it: metadata in YAML, then the card for readers."""

from __future__ import annotations

import re

from huggingface_hub import EvalResult, ModelCardData

from braintumorseg.presets.card import Card
from braintumorseg.presets.preset import Preset
from braintumorseg.presets.scores import Score
from braintumorseg.zoo.card_markdown import render_card

_TASK = "image-segmentation"
_TAGS = ["keras", "medical", "mri", "brain-tumor", "semantic-segmentation"]

# Licences that weights are given under, as the Hub spells them; it takes any other as "other", with a name.
_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
    *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
}
_USE = """## Use

```python
from braintumorseg import load_pretrained

segmenter = load_pretrained("hf://{repo}")
segmentation = segmenter.predict("patient-folder")
```

`pip install braintumorseg`. The preprocessing and the threshold travel with the weights, whose SHA-256 is verified. Nothing of
this repository is executed.
"""


def render_hub_card(preset: Preset, repo: str) -> str:
    """Return the ``README.md`` of a preset's repository; scores are in its metadata, so that the Hub lists them."""
    licence = _licence(preset.card)
    metadata = ModelCardData(
        license=licence if licence in _LICENCES else "other",
        license_name=None if licence in _LICENCES else licence,
        library_name="braintumorseg",
        pipeline_tag=_TASK,
        tags=[*_TAGS, preset.graph.name],
        metrics=sorted({_slug(score.measure) for score in preset.card.scores}),
        model_name=preset.name,
        eval_results=[_result(score) for score in preset.card.scores],
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{render_card(preset).rstrip()}\n\n{_USE.format(repo=repo)}"


def _licence(card: Card) -> str:
    """Return the licence as the Hub would spell it: what stands before the first comma or semicolon."""
    return _slug(re.split("[,;]", card.licence)[0])


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _result(score: Score) -> EvalResult:
    interval = {} if score.low is None or score.high is None else {"interval_95": [score.low, score.high]}
    precision = {} if score.precision is None else {"precision": score.precision}
    return EvalResult(
        task_type=_TASK,
        dataset_type=_slug(score.data),
        dataset_name=score.data,
        metric_type=_slug(score.measure),
        metric_name=", ".join(part for part in (score.measure, score.convention, score.settings) if part),
        metric_value=score.value,
        metric_args={"convention": score.convention, "tta": score.tta, **precision, **interval},
    )
