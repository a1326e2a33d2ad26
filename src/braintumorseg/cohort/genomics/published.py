"""What Buda et al. (2019) found on all 110 patients, beside what is found here."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from braintumorseg.cohort.genomics.association import Association
from braintumorseg.cohort.genomics.effects import cluster_auc

LEVEL = 0.005
"""The paper's level of a single test: 0.05 over its ten hypotheses."""

_CLUSTER = 2  # R2


class _Finding(NamedTuple):
    feature: str
    clustering: str
    below: float


_FINDINGS = (_Finding("bevr", "RNASeqCluster", 0.0002), _Finding("margin_fluctuation", "RNASeqCluster", LEVEL))
_AUC_AUTOMATIC, _AUC_MANUAL = 0.80, 0.78


def compare_with_published(association: Association) -> pd.DataFrame:
    """Set the published findings beside those of an association, and say what agrees.

    A published association agrees where Fisher's p is below the paper's level, 0.005 (0.05 for ten hypotheses); a published
    area where that of manual masks lies in the 95 % interval found here. The paper's patients are the 110 of the dataset;
    with fewer, tests find less. Its bins are not known here, so that p-values need not be equal even on the same patients.

    Args:
        association: Of ``bevr`` and ``margin_fluctuation`` with ``RNASeqCluster``, 2 being R2; findings about what is not in
            it are left out.

    Returns:
        One row a finding: ``finding``, ``published``, ``here``, ``patients``, and ``agrees``, yes or no with the reason.

    References:
        Buda, Saha, Mazurowski, Computers in Biology and Medicine 109, 2019.

    Examples:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate, compare_with_published
        >>> random = np.random.default_rng(0)
        >>> clusters = pd.DataFrame({"RNASeqCluster": random.integers(1, 5, 60)})
        >>> bevr = random.normal(0.5, 0.05, 60) - 0.2 * (clusters["RNASeqCluster"] == 2)
        >>> compared = compare_with_published(associate(bevr.to_frame("bevr"), clusters))
        >>> compared["agrees"].str.split(":").str[0].tolist()
        ['yes', 'no']
    """
    rows = []
    tests = {(row["feature"], row["clustering"]): row for row in association.table.to_dict("records")}
    for finding in _FINDINGS:
        row = tests.get((finding.feature, finding.clustering))
        if row is None:
            continue
        below, strongly = row["p_value"] < LEVEL, row["p_value"] < finding.below
        reason = f"below the level of {LEVEL}" if below else f"not below the level of {LEVEL}"
        if below and not strongly:
            reason += f", though not below {finding.below}"
        rows.append(
            {
                "finding": f"{finding.feature} x {finding.clustering}, Fisher",
                "published": f"p < {finding.below}",
                "here": f"p = {row['p_value']:.2g} ({row['bins']} bins; by ranks without bins {row['p_permutation']:.2g})",
                "patients": f"{row['patients']} ({row['missing']} missing)",
                "agrees": f"{'yes' if below else 'no'}: {reason}",
            }
        )
    if {"bevr", "RNASeqCluster"} <= set(association.data.columns):
        known = association.data[["bevr", "RNASeqCluster"]].dropna()
        members = (known["RNASeqCluster"] == _CLUSTER).to_numpy()
        if members.any() and not members.all():
            area = cluster_auc(1 / known["bevr"], members)
            inside = area.low <= _AUC_MANUAL <= area.high
            reason = "the published manual value lies in the interval" if inside else "it lies outside the interval"
            rows.append(
                {
                    "finding": "1 / bevr, R2 against the rest, area under the ROC curve",
                    "published": f"{_AUC_AUTOMATIC:.2f} automatic, {_AUC_MANUAL:.2f} manual masks",
                    "here": str(area),
                    "patients": f"{members.sum()} against {(~members).sum()} ({len(association.data) - len(known)} missing)",
                    "agrees": f"{'yes' if inside else 'no'}: {reason}",
                }
            )
    return pd.DataFrame(rows, columns=["finding", "published", "here", "patients", "agrees"])
