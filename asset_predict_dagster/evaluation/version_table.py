"""Who serves, and how the version trained last compares with the one beside it, as rows of text."""

import pandas as pd

from asset_predict_dagster.evaluation.comparisons import diebold_mariano, paired_bootstrap
from asset_predict_dagster.evaluation.metric_words import ABSENT, chance, words_of
from asset_predict_dagster.evaluation.metrics import session_means
from asset_predict_dagster.evaluation.report_input import ReportInput, Standing
from asset_predict_dagster.evaluation.report_tables import TextTable

COMPARED = ("rank_ic", "log_loss")

COLUMNS = ("model", "figure", "serves", "compared", "difference", "p", "sessions")


def version_table(report: ReportInput, seed: int = 0) -> TextTable:
    """Each model's serving version, and its challenger less the version beside it.

    The difference is the mean over common sessions of the figure of each session, so that sessions
    weigh alike, and its interval is of sessions drawn again for both at once
    (`comparisons.paired_bootstrap`). p is Diebold and Mariano's. A model with one version on these
    sessions has one row, which says that it is compared with none.

    Parameters
    ----------
    seed
        Of the bootstrap.

    Returns
    -------
    No row where the report is not of registered versions.
    """
    rows = [row for standing in report.standings for row in _rows(report, standing, seed)]
    return TextTable(
        "Which version serves, and the version trained last less the other one. Rank IC above 0,"
        " or log-loss below 0, speaks for the one trained last. In brackets: 95 % intervals. p:"
        " Diebold and Mariano's, of each row alone.",
        COLUMNS,
        rows,
    )


def _rows(report: ReportInput, standing: Standing, seed: int) -> list[tuple[str, ...]]:
    serving = standing.serving or "none yet"
    if not standing.beside:
        alone = f"{standing.challenger} with none on these sessions"
        return [(standing.model, ABSENT, serving, alone, ABSENT, ABSENT, ABSENT)]
    versions = (standing.challenger, standing.beside)
    mine, other = (report.next_session(standing.model, version) for version in versions)
    return [
        (
            standing.model,
            words_of(metric).label,
            serving,
            " less ".join(versions),
            *_compared(_by_session(mine, metric), _by_session(other, metric), seed),
        )
        for metric in COMPARED
    ]


def _by_session(rows: pd.DataFrame, metric: str) -> pd.Series:
    return session_means(rows, metric) if len(rows) else pd.Series(dtype="float64")


def _compared(mine: pd.Series, other: pd.Series, seed: int) -> tuple[str, str, str]:
    """Difference with its interval, p, sessions; fewer than two sessions cannot be tested."""
    n_common = int((mine - other).notna().sum())
    if n_common < 2:
        return ABSENT, ABSENT, f"{n_common}"
    difference, low, high = paired_bootstrap(mine, other, seed)
    p_value = diebold_mariano(mine, other).p_value
    # Two versions of a model differ by less than its figures have places for.
    said = f"{difference:z.5f} [{low:z.5f}, {high:z.5f}]"
    return said, chance(p_value), f"{n_common:,}"
