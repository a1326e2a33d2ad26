"""The facts of a study's page, as text by what each is called; the template escapes and places them."""

from __future__ import annotations

from braintumorseg.findings.quality import Quality
from braintumorseg.findings.records import Findings, Region
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.study import Segmentation, Study

UNKNOWN = "not known"


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


def describe_measures(findings: Findings, score: float | None) -> dict[str, str]:
    """Return what was measured; ``score`` is the Dice with the reader's mask, if there is one."""
    whole = findings.tumour
    facts = {"Volume": describe_size(whole)}
    for each in findings.classes:
        facts[f"of it {each.name}"] = f"{each.voxels} voxels" if each.volume_ml is None else f"{each.volume_ml:.1f} mL"
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
    return facts


def describe_quality(quality: Quality) -> dict[str, str]:
    """Return what the quality's score rests on."""
    agreement = "no variants were predicted" if quality.agreement is None else f"{quality.agreement:.3f}"
    return {
        "Agreement of variants": agreement,
        "Certainty of the probabilities": UNKNOWN if quality.certainty is None else f"{quality.certainty:.3f}",
        "Distance from the training data": UNKNOWN
        if quality.distance is None
        else f"{quality.distance:.2f} times as far as they lie apart",
    }


def describe_lesions(findings: Findings) -> list[tuple[int, str, int, str]]:
    """Return each piece: its number from 1, its size, how many slices it touches, its diameters."""
    return [
        (place, describe_size(each), each.slices, describe_diameters(each))
        for place, each in enumerate(findings.lesions, 1)
    ]


def describe_study(study: Study) -> dict[str, str]:
    """Return what the study is made of."""
    slices, rows, columns = study.shape
    spacing = UNKNOWN if study.spacing is None else "{:.3g} x {:.3g} x {:.3g} mm".format(*study.spacing)
    return {
        "Sequences": ", ".join(study.sequences),
        "Grid": f"{slices} slices of {rows} x {columns}",
        "Voxels (slice x row x column)": spacing,
    }


def describe_model(segmenter: Segmenter, segmentation: Segmentation) -> dict[str, str]:
    """Return the model's settings, and what its card says."""
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
        return facts | {"Card": "none: nobody has measured this model"}
    return facts | {
        "What it does": card.stated("summary"),
        "Trained on": card.stated("data"),
        "Split": card.stated("split"),
        "Recipe": card.stated("recipe"),
        "Licence of the weights": card.stated("licence"),
        "Intended use": card.stated("intended_use"),
        "Limits": card.stated("limits"),
    }
