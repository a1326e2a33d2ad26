import pytest

from braintumorseg.cohort import associate, plot_clusters, plot_heat_map, plot_volcano
from cohort.genomics.simulated import simulated


def test_figures_show_every_test():
    found = associate(*simulated(0, effect=0.25), permutations=9)
    volcano = plot_volcano(found).axes[0]
    assert sum(len(points.get_offsets()) for points in volcano.collections) == 6
    assert volcano.get_xlabel() == "strength: Cramér's V, 0 to 1"
    heat = plot_heat_map(found).axes[0]
    texts = [text.get_text() for text in heat.texts]
    assert len(texts) == 6
    assert sum(text.endswith("**") for text in texts) == 1
    boxes = plot_clusters(found, "bevr", "RNASeqCluster").axes[0]
    assert sum(len(points.get_offsets()) for points in boxes.collections) == 80
    assert [label.get_text().split()[0] for label in boxes.get_xticklabels()] == ["1", "2", "3", "4"]
    with pytest.raises(ValueError, match="feature must be one of"):
        plot_clusters(found, "volume", "RNASeqCluster")
