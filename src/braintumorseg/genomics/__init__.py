"""Whether the shape of tumours goes with their molecular clusters: exact tests, corrections, effects, pictures."""

from braintumorseg.genomics.association import Association, associate, shape_table
from braintumorseg.genomics.corrections import benjamini_hochberg, bonferroni
from braintumorseg.genomics.effects import Effect, cluster_auc, cramers_v
from braintumorseg.genomics.fisher import Fisher, fisher_test
from braintumorseg.genomics.pictures import plot_clusters, plot_heat_map, plot_volcano
from braintumorseg.genomics.published import compare_with_published
from braintumorseg.genomics.report import write_association

__all__ = [
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
    "shape_table",
    "write_association",
]
