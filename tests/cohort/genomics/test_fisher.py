import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from braintumorseg.cohort import fisher_test
from braintumorseg.cohort.genomics import fisher


@pytest.mark.parametrize(
    ("table", "p_value"),
    [
        # The examples of R's fisher.test, and what it prints for them.
        ([[3, 1], [1, 3]], 0.4857),
        ([[2, 10], [15, 3]], 0.0005367),
        ([[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]], 0.7827),
        (
            [
                [1, 2, 2, 1, 1, 0, 1],
                [2, 0, 0, 2, 3, 0, 0],
                [0, 1, 1, 1, 2, 7, 3],
                [1, 1, 2, 0, 0, 0, 1],
                [0, 1, 1, 1, 1, 0, 0],
            ],
            0.03929,
        ),
    ],
)
def test_values_of_r(table, p_value):
    found = fisher_test(table)
    assert found.method == "exact"
    assert found.p_value == pytest.approx(p_value, rel=2e-4)


def by_hand(table):
    """Add up the probabilities of all tables of the same margins, one by one."""
    table = np.array(table)
    rows, columns = table.sum(axis=1), table.sum(axis=0)

    def ways(cells):
        return math.prod(math.factorial(cell) for cell in np.ravel(cells).tolist())

    share = math.prod(map(math.factorial, [*rows.tolist(), *columns.tolist()])) / math.factorial(int(table.sum()))
    total = 0.0
    for free in itertools.product(*(range(min(row, column) + 1) for row in rows[1:] for column in columns[1:])):
        cells = np.zeros_like(table)
        cells[1:, 1:] = np.reshape(free, (len(rows) - 1, len(columns) - 1))
        cells[1:, 0] = rows[1:] - cells[1:].sum(axis=1)
        cells[0] = columns - cells[1:].sum(axis=0)
        if cells.min() >= 0 and ways(cells) >= ways(table):
            total += share / ways(cells)
    return total


tables = st.sampled_from([(2, 2), (2, 3), (3, 2), (3, 3)]).flatmap(
    lambda shape: st.lists(st.integers(0, 2), min_size=math.prod(shape), max_size=math.prod(shape)).map(
        lambda cells: np.reshape(cells, shape).tolist()
    )
)


@settings(max_examples=40)
@given(tables.filter(lambda table: np.sum(table) > 0))
def test_against_every_table_one_by_one(table):
    assert fisher_test(table).p_value == pytest.approx(by_hand(table), rel=1e-6)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(lambda cells: sum(cells) > 0))
def test_two_by_two_against_scipy(cells):
    table = np.reshape(cells, (2, 2))
    assert fisher_test(table).p_value == pytest.approx(fisher_exact(table).pvalue, rel=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_order_of_rows_and_columns_does_not_matter(seed):
    random = np.random.default_rng(seed)
    table = random.integers(0, 6, (3, 4))
    expected = fisher_test(table).p_value
    assert fisher_test(table.T).p_value == pytest.approx(expected, rel=1e-9)
    assert fisher_test(random.permutation(table, axis=1)).p_value == pytest.approx(expected, rel=1e-9)
    assert fisher_test(np.pad(table, 1)).p_value == pytest.approx(expected, rel=1e-9)


def test_tables_that_are_too_many_are_drawn(monkeypatch):
    table = [[3, 9, 4], [8, 2, 6], [5, 5, 1]]
    exact = fisher_test(table)
    monkeypatch.setattr(fisher, "LIMIT", 10)
    drawn = fisher_test(table, draws=20_000)
    assert (exact.method, exact.draws) == ("exact", 0)
    assert (drawn.method, drawn.draws) == ("Monte Carlo", 20_000)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=5 * math.sqrt(exact.p_value / 20_000))
    assert drawn == fisher_test(table, draws=20_000)


def test_a_single_row_or_column_says_nothing():
    assert fisher_test([[3, 4, 5]]).p_value == 1
    assert fisher_test([[3, 0], [4, 0]]).p_value == 1


@pytest.mark.parametrize("table", [[1, 2], [[1, -2], [3, 4]], [[0.5, 1], [1, 1]], [[0, 0], [0, 0]], [["a", "b"]]])
def test_what_is_no_table_of_counts_is_refused(table):
    with pytest.raises(ValueError, match=r"table must be counts \(rows, columns\), at least one above 0"):
        fisher_test(table)
