"""What file names say: which sequence a NIfTI file holds, and whose it is.

BraTS: ``BraTS20_001_flair``, ``_t1``, ``_t1ce``, ``_seg``; ``BraTS-GLI-00001-000-t2f``, ``-t1n``, ``-t1c``, ``-seg``.
BIDS: ``sub-01_ses-1_FLAIR``, ``sub-01_T1w``, ``sub-01_ce-gadolinium_T1w``. And plain
``flair``, ``t1``, ``t1ce``, ``pre``, ``post``. Masks: ``mask``, ``p_tumour_seg``, ``labels``, ``brain_mask``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_TUMOUR = "(?:whole[_-]?)?(?:tumou?r|lesions?|glioma)[_-]?"
_KINDS = {
    "flair": "(?:t2[_-]?)?flair|t2f",
    "t1ce": "t1[_-]?(?:ce|c|gd|post)|t1w[_-]?(?:ce|c|gd|post)|(?<!flair[_-])(?<!t2[_-])post",
    "t1": "t1n|t1w?(?:[_-]?pre)?|(?<!flair[_-])(?<!t2[_-])pre",
    "t2": "t2w?",
    "seg": f"(?:{_TUMOUR})?seg",
}
_MASK = "masks?|segm?|segmentations?|labels?|label[_-]?maps?|rois?|ground[_-]?truth|truth"
_TUMOUR_MASK = re.compile(
    rf"(?:^|.*[_\-. ]){_TUMOUR}(?:{_MASK})|{_MASK}|gt|.*[_\-. ](?:segmentation|labels?)", re.IGNORECASE
)
_MASK_WORD = re.compile(rf"(?:{_TUMOUR}|brain|head|skull)?(?:{_MASK}|dseg|probseg)(?:tr|ts)?", re.IGNORECASE)
_OTHER_PARTS = re.compile(
    r"(?:^|[_\-. ])(?:brain|head|skull|bet|wm|gm|csf|tissues?|ventricles?)(?!.*(?:tumou?r|lesion))", re.IGNORECASE
)
_PATTERN = re.compile(
    r"(?:^|(?<=[_\-. ]))(?:" + "|".join(f"(?P<{kind}>{names})" for kind, names in _KINDS.items()) + ")$", re.IGNORECASE
)
_BIDS = re.compile(r"(sub-[a-z0-9]+(?:_ses-[a-z0-9]+)?)_", re.IGNORECASE)
_ENHANCED = re.compile(r"_ce-[a-z0-9]+_", re.IGNORECASE)
_CE_ALONE = re.compile(r"ce-[a-z0-9]+_t1w", re.IGNORECASE)


class Meaning(NamedTuple):
    """What a name says: ``"flair"``, ``"t1"``, ``"t1ce"``, ``"t2"`` or ``"seg"``, and of whom, if it says so."""

    kind: str
    owner: str


def meaning(path: Path) -> Meaning | None:
    """Tell what a NIfTI file's name says; ``None`` if nothing that is known."""
    text = stem(path)
    found = _PATTERN.search(text)
    if found is None:
        return None
    kind = str(found.lastgroup)
    owner = text[: found.start()].rstrip("_-. ")
    if kind == "seg":
        drawn_on = _PATTERN.search(owner)
        if _OTHER_PARTS.search(text) or (drawn_on is not None and drawn_on.lastgroup != "flair"):
            return None  # a mask of the brain, or of the tissues that T1 shows
        if drawn_on is not None:
            owner = owner[: drawn_on.start()].rstrip("_-. ")
    bids = _BIDS.match(text)
    if bids is None:
        return Meaning(kind, owner)
    if kind == "t1" and _ENHANCED.search(text):
        kind = "t1ce"
    return Meaning(kind, bids[1])


def sequence_name(text: str) -> str:
    """Return the name that a sequence has in this package, of a name that another convention has for it.

    Args:
        text: ``"flair"``, ``"t1"``, ``"t1ce"`` or ``"t2"``, in upper or lower case; ``"pre"`` and ``"post"`` (contrast); or
            a name of BraTS (``"t2f"``, ``"t1n"``, ``"t1c"``, ``"t2w"``) or of BIDS (``"FLAIR"``, ``"T1w"``, ``"ce-gd_T1w"``).

    Returns:
        ``"flair"``, ``"t1"``, ``"t1ce"`` or ``"t2"``; other texts as they came.

    Examples:
        >>> from braintumorseg.io import sequence_name
        >>> [sequence_name(text) for text in ("pre", "T1w", "t1c", "FLAIR", "dwi")]
        ['t1', 't1', 't1ce', 'flair', 'dwi']
    """
    found = meaning(Path(text))
    if found is None or found.kind == "seg" or found.owner:
        return "t1ce" if _CE_ALONE.fullmatch(text) else text
    return found.kind


def stem(path: Path) -> str:
    """Return a file's name without ``.nii``, ``.nii.gz`` or another suffix."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def is_mask(path: Path) -> bool:
    """Tell by the name whether a NIfTI file is a mask or a label map: a word of it says so, and no sequence ends it."""
    text = stem(path)
    meant = meaning(path)
    if meant is not None:
        return meant.kind == "seg"
    return any(
        _MASK_WORD.fullmatch(word) for word in re.split(r"[_\-. ]+|(?<=[a-z])(?=[A-Z0-9])|(?<=\D)(?=\d)", text)
    ) or (_TUMOUR_MASK.fullmatch(text) is not None)


def is_tumour_mask(path: Path) -> bool:
    """Tell by the name whether a mask that is not called ``seg`` is one of the tumour, rather than of the brain."""
    text = stem(path)
    return _TUMOUR_MASK.fullmatch(text) is not None and _OTHER_PARTS.search(text) is None


def holds_masks(folder: Path) -> bool:
    """Tell by the name whether a folder holds the masks of studies that lie elsewhere, such as ``labelsTr``."""
    return _MASK_WORD.fullmatch(folder.name) is not None


def has_result_name(path: Path) -> bool:
    """Tell by the name whether this is a mask, or what else ``predict`` writes beside studies."""
    text = stem(path)
    return text.endswith(("_mask", "_probabilities", "_uncertainty", "_overlay")) and not is_tumour_mask(path)
