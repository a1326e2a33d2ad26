import pandas as pd
import pytest

from braintumorseg.training import plot_curves

LOG = pd.DataFrame(
    {
        "step": [100, 200, 300],
        "loss": [0.9, 0.6, 0.4],
        "learning_rate": [1e-3, 1e-3, 1e-4],
        "val_patient_dice": [None, 0.5, 0.7],
        "val_patient_dice_median": [None, 0.55, 0.75],
        "case_a": [None, 0.4, 0.6],
        "case_b": [None, 0.6, 0.8],
    }
)


def lines(log):
    """What the panel of the validation draws: the values of each line, and the legend's words."""
    panel = plot_curves(log, "mine").axes[1]
    return [list(line.get_ydata()) for line in panel.lines], [text.get_text() for text in panel.get_legend().texts]


@pytest.mark.parametrize("columns", [list(LOG.columns), list(LOG.columns)[::-1], ["case_b", *LOG.columns[:-1]]])
def test_patients_are_found_by_name_in_any_order(columns):
    drawn, words = lines(LOG[columns])
    assert sorted(drawn[:2]) == [[0.4, 0.6], [0.6, 0.8]]
    assert drawn[2:] == [[0.5, 0.7], [0.55, 0.75]]
    assert words == ["mean", "median", "each patient"]


def test_patients_are_drawn_where_other_columns_are_lacking():
    drawn, words = lines(LOG[["step", "loss", "val_patient_dice", "case_a", "case_b"]])
    assert drawn == [[0.4, 0.6], [0.6, 0.8], [0.5, 0.7]]
    assert words == ["mean", "each patient"]


def test_a_log_without_patients_has_none_in_its_legend():
    assert lines(LOG[["step", "loss", "val_patient_dice"]]) == ([[0.5, 0.7]], ["mean"])


def test_without_validation_there_is_one_panel():
    assert len(plot_curves(LOG.assign(val_patient_dice=None), "mine").axes) == 1
