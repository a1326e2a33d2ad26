"""Whether the shape of tumours goes with their molecular clusters: exact tests, corrections, effects, pictures."""

from braintumorseg.cohort.genomics.association import CLUSTERINGS, PAPER_FEATURES, Association, associate
from braintumorseg.cohort.genomics.corrections import benjamini_hochberg, bonferroni
from braintumorseg.cohort.genomics.effects import Effect, cluster_auc, cramers_v
from braintumorseg.cohort.genomics.fisher import Fisher, fisher_test
from braintumorseg.cohort.genomics.pictures import plot_clusters, plot_heat_map, plot_volcano
from braintumorseg.cohort.genomics.published import compare_with_published
from braintumorseg.cohort.genomics.report import ASSOCIATION_FILES, write_association

__all__ = [
    "ASSOCIATION_FILES",
    "CLUSTERINGS",
    "PAPER_FEATURES",
    "Association",
    "Effect",
    "Fisher",
    "associate",
    "benjamini_hochberg",
    "bonferroni",
    "cluster_auc",
    "compare_with_published",
    "cramers_v",
    "fisher_test",
    "plot_clusters",
    "plot_heat_map",
    "plot_volcano",
    "write_association",
]
