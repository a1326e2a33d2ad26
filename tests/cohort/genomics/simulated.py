import numpy as np
import pandas as pd


def simulated(seed, effect=0.0, patients=80):
    """Three features and two clusterings; the first feature is lower in cluster 2 of the first."""
    random = np.random.default_rng(seed)
    names = [f"patient-{number}" for number in range(patients)]
    clusters = pd.DataFrame(
        {"RNASeqCluster": random.integers(1, 5, patients).astype(float), "CNCluster": random.integers(1, 4, patients)},
        index=names,
    )
    features = pd.DataFrame(
        random.normal(0.5, 0.1, (patients, 3)),
        index=names,
        columns=["bevr", "margin_fluctuation", "angular_standard_deviation"],
    )
    features.loc[clusters["RNASeqCluster"] == 2, "bevr"] -= effect
    return features, clusters
