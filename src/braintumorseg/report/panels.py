"""The parts of a study's page that are text: measures, quality, the model and its card."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from braintumorseg.findings.findings import Findings, Region
from braintumorseg.findings.quality import Quality
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.study import Segmentation, Study

UNKNOWN = "not known"


def draw_found(segmentation: Segmentation, findings: Findings, score: float | None) -> str:
    """Return what was found as HTML; ``score`` is the Dice with the reader's mask, if there is one."""
    parts = [
        _card("measures", "Measures", _measures(findings, score)),
        _card("quality", "Quality", _quality(findings.quality, segmentation)),
    ]
    if len(findings.lesions) > 1:
        parts.append(_card("lesions", f"Its {len(findings.lesions)} pieces", _lesions(findings)))
    if findings.notes:
        parts.append(_card("notes", "Notes", _list(findings.notes)))
    return "\n".join(parts)


def draw_made(study: Study, segmentation: Segmentation, segmenter: Segmenter | None) -> str:
    """Return what it was found in, and by what, as HTML."""
    parts = [_card("study", "Study", _study(study))]
    if segmenter is not None:
        parts.append(_card("model", "Model", _model(segmenter, segmentation)))
    return "\n".join(parts)


def describe_size(region: Region | None) -> str:
    """Return the size for readers: millilitres, or voxels where the spacing is unknown."""
    if region is None:
        return "nothing found"
    return f"{region.voxels} voxels" if region.volume_ml is None else f"{region.volume_ml:.1f} mL"


def describe_side(findings: Findings) -> str:
    """Return the hemisphere for readers."""
    if findings.hemisphere is None or findings.left_share is None:
        return UNKNOWN
    share = f"{100 * findings.left_share:.0f} % on the patient's left"
    assumed = "; taken from the display, as the files do not say" if findings.hemisphere_from == "display" else ""
    return f"{findings.hemisphere} ({share}{assumed})"


def describe_diameters(region: Region) -> str:
    """Return both diameters for readers."""
    found = region.diameters
    return f"{found.longest:.1f} x {found.perpendicular:.1f} {found.unit}"


def _card(name: str, title: str, content: str) -> str:
    return f'<section class="card" aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>\n{content}\n</section>'


def _facts(facts: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in facts.items()
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def _measures(findings: Findings, score: float | None) -> str:
    whole = findings.tumour
    facts = {"Volume": describe_size(whole)}
    if whole is not None and findings.largest_slice is not None:
        in_mm = findings.largest_area_mm2 is not None
        area = f"{findings.largest_area_mm2:.0f} mm²" if in_mm else f"{findings.largest_area} voxels"
        facts |= {
            "Slices touched": f"{whole.slices} of {findings.shape[0]}",
            "Largest area": f"slice {findings.largest_slice + 1}, {area}",
            "Longest diameter x across it": f"{describe_diameters(whole)}, slice {whole.diameters.slice + 1}",
            "Hemisphere": describe_side(findings),
            "Centroid in the world (RAS)": (
                "{:.1f}, {:.1f}, {:.1f} mm".format(*whole.centroid_mm) if whole.centroid_mm else UNKNOWN
            ),
            "Slices, rows, columns": ", ".join(f"{first + 1} to {last + 1}" for first, last in whole.box),
            "Box": "{:.0f} x {:.0f} x {:.0f} mm".format(*whole.box_mm) if whole.box_mm else UNKNOWN,
        }
    if score is not None:
        facts["Dice with the reader's mask"] = f"{score:.3f}"
    return _facts(facts)


def _quality(quality: Quality, segmentation: Segmentation) -> str:
    says = "nothing stands out" if quality.level == "good" else "look twice"
    badge = f'<p><span class="badge {quality.level}">{says}</span> score {quality.score:.3f}</p>'
    flags = _list([flag.text for flag in quality.flags]) if quality.flags else ""
    facts = {
        "Agreement of variants": "no variants were predicted"
        if quality.agreement is None
        else f"{quality.agreement:.3f}",
        "Certainty of the probabilities": UNKNOWN if quality.certainty is None else f"{quality.certainty:.3f}",
        "Distance from the training data": f"{quality.distance:.2f} standard deviations",
    }
    table = _facts(facts)
    if segmentation.agreement:
        table += "<h3>Dice of each variant with the mask</h3>"
        table += _facts({name: f"{value:.3f}" for name, value in segmentation.agreement.items()})
    told = (
        "<p>The score ranks studies by the Dice to be expected. It is no Dice, and was tried on 13 patients only.</p>"
    )
    return badge + flags + table + told


def _lesions(findings: Findings) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Piece", "Size", "Slices", "Longest x across"))
    rows = "".join(
        f'<tr><th scope="row">{place}</th><td>{describe_size(each)}</td><td>{each.slices}</td>'
        f"<td>{describe_diameters(each)}</td></tr>"
        for place, each in enumerate(findings.lesions, 1)
    )
    return (
        '<div class="wide" tabindex="0" role="region" aria-labelledby="lesions">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _study(study: Study) -> str:
    slices, rows, columns = study.shape
    spacing = UNKNOWN if study.spacing is None else "{:.3g} x {:.3g} x {:.3g} mm".format(*study.spacing)
    return _facts(
        {
            "Sequences": ", ".join(study.sequences),
            "Grid": f"{slices} slices of {rows} x {columns}",
            "Voxels (slice x row x column)": spacing,
        }
    )


def _model(segmenter: Segmenter, segmentation: Segmentation) -> str:
    pieces, smallest = "in any piece", segmenter.min_voxels
    if smallest > 1:
        pieces = f"in pieces of at least {smallest} voxels; holes of fewer count as tumour"
    facts = {
        "Preset": segmenter.name,
        "Input": f"{', '.join(segmenter.preprocessing.sequences)} at "
        f"{segmenter.preprocessing.size} x {segmenter.preprocessing.size}",
        "Tumour is": f"a probability of at least {segmenter.threshold:g}, {pieces}",
    }
    if segmentation.engine is not None:
        facts["Run by"] = f"{segmentation.engine}, {segmentation.precision}"
    card = segmenter.card
    if card is None:
        return _facts(facts | {"Card": "none: nobody has measured this model"})
    facts |= {
        "What it does": card.stated("summary"),
        "Trained on": card.stated("data"),
        "Split": card.stated("split"),
        "Recipe": card.stated("recipe"),
        "Licence of the weights": card.stated("licence"),
        "Intended use": card.stated("intended_use"),
        "Limits": card.stated("limits"),
    }
    scores = _list([str(score) for score in card.scores])
    return _facts(facts) + (f"<h3>Measured</h3>{scores}" if card.scores else "")
