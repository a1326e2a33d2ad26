from braintumorseg.cohort import associate, compare_with_published
from cohort.genomics.simulated import simulated


def test_published_findings_are_judged():
    agreeing = compare_with_published(associate(*simulated(6, effect=0.25), permutations=99))
    assert agreeing["agrees"].str.startswith("yes").tolist() == [True, False, False]
    assert "p < 0.0002" in agreeing["published"].iloc[0]
    assert "lies outside the interval" in agreeing["agrees"].iloc[2]
    likely = compare_with_published(associate(*simulated(0, effect=0.1), permutations=99))
    assert likely["agrees"].iloc[2].startswith("yes")
    without = associate(simulated(6)[0][["bevr"]], simulated(6)[1][["CNCluster"]], permutations=9)
    assert compare_with_published(without).empty
