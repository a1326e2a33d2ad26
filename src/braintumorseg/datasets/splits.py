"""Parts and folds of a dataset: by patient, never by slice, with every group (institution) spread over all of them.

Neighbouring slices of one patient look alike. A split of slices puts the same tumour on both sides and measures memory.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise

from braintumorseg._core.checks import check_integer, wrong


def stratified_split(
    patients: Iterable[str], groups: Mapping[str, str], shares: Mapping[str, float], *, seed: int = 0
) -> dict[str, tuple[str, ...]]:
    """Divide patients into parts, each group as nearly by the shares as whole patients allow.

    Of a group's ``n`` patients, a part of share ``s`` gets ``s * n`` rounded down or up. Where roundings compete, the part
    that lies furthest behind its share so far is served first, so that many small groups don't starve a small part.

    Args:
        patients: Names of the patients, in any order; the result does not depend on it.
        groups: Group of each patient, such as its institution; it may hold others too.
        shares: Share of each part by the part's name, each above 0, 1 together.
        seed: Which of the many such splits.

    Returns:
        The sorted names of each part's patients; every patient is in exactly one.

    Raises:
        ValueError: If there are no patients, one comes twice or has no group, or the shares are not as stated.

    Examples:
        >>> from braintumorseg.datasets import stratified_split
        >>> groups = {"a1": "A", "a2": "A", "a3": "A", "b1": "B", "b2": "B", "b3": "B"}
        >>> parts = stratified_split(groups, groups, {"train": 2 / 3, "val": 1 / 3})
        >>> {part: len(names) for part, names in parts.items()}
        {'train': 4, 'val': 2}
        >>> sorted(groups[name] for name in parts["val"])
        ['A', 'B']
    """
    valid = bool(shares) and all(0 < share <= 1 for share in shares.values())
    if not valid or not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        msg = wrong("shares", "shares above 0 that are 1 together", dict(shares))
        raise ValueError(msg)
    parts: dict[str, list[str]] = {part: [] for part in shares}
    done = 0
    for _, members in groupby(_shuffled(patients, groups, seed), key=groups.__getitem__):
        rest = list(members)
        done += len(rest)
        # Rounded, since 0.29 * 100 is a little less than 29.
        sizes = {part: math.floor(round(share * len(rest), 9)) for part, share in shares.items()}
        behind = {part: shares[part] * done - len(parts[part]) - sizes[part] for part in shares}
        for part in sorted(behind, key=behind.__getitem__, reverse=True)[: len(rest) - sum(sizes.values())]:
            sizes[part] += 1
        for part, size in sizes.items():
            parts[part] += rest[:size]
            rest = rest[size:]
    return {part: tuple(sorted(names)) for part, names in parts.items()}


def stratified_folds(
    patients: Iterable[str], groups: Mapping[str, str], folds: int, *, seed: int = 0
) -> tuple[tuple[str, ...], ...]:
    """Divide patients into the folds of a cross-validation.

    The sizes of two folds differ by at most one, and so does the number of patients of each group in them.

    Args:
        patients: Names of the patients, in any order; the result does not depend on it.
        groups: Group of each patient, such as its institution; it may hold others too.
        folds: How many, at least 2 and at most as many as there are patients.
        seed: Which of the many such divisions.

    Returns:
        The sorted names of each fold's patients; every patient is in exactly one fold.

    Raises:
        ValueError: If there are too few patients, one comes twice or has no group, or ``folds`` is not as stated.

    Examples:
        >>> from braintumorseg.datasets import stratified_folds
        >>> groups = {"a1": "A", "a2": "A", "b1": "B", "b2": "B"}
        >>> for fold in stratified_folds(groups, groups, folds=2):
        ...     print(sorted(groups[name] for name in fold))
        ['A', 'B']
        ['A', 'B']
    """
    check_integer("folds", folds, 2)
    order = _shuffled(patients, groups, seed)
    if folds > len(order):
        msg = wrong("folds", f"at most the number of patients, {len(order)}", folds)
        raise ValueError(msg)
    # Dealt like cards, one group after the other: no fold is ever two cards of a group ahead of another.
    return tuple(tuple(sorted(order[start::folds])) for start in range(folds))


def _shuffled(patients: Iterable[str], groups: Mapping[str, str], seed: int) -> list[str]:
    """Return the patients group by group, within a group in an order that follows from their names and the seed alone."""
    check_integer("seed", seed, 0)
    names = sorted(patients)
    if not names:
        msg = wrong("patients", "at least one name", "none")
        raise ValueError(msg)
    twice = [first for first, second in pairwise(names) if first == second]
    if twice:
        msg = wrong("patients", "distinct names", f"{twice[0]!r} twice")
        raise ValueError(msg)
    lacking = [name for name in names if name not in groups]
    if lacking:
        msg = wrong("groups", "the group of every patient", f"none of {lacking[0]!r}")
        raise ValueError(msg)
    return sorted(names, key=lambda name: (groups[name], hashlib.sha256(f"{seed}:{name}".encode()).digest()))
