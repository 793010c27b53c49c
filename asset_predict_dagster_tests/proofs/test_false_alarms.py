"""The watch over a model: silent while nothing changes, awake when something does.

Five simulated markets of eight years. A model is trained every two weeks, as it is when stale, and
at once after an alarm; its alarms of one year are counted. What `live_skill` watches is a forest
fitted before that year.
"""

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.predictions.drift import input_drift, prediction_drift
from asset_predict_dagster.predictions.live_skill import SkillWatch
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.predictions.simulated_life import (
    COLUMNS,
    TRAINED_EVERY,
    forest_forecasts,
    n_onsets,
    onsets,
    sessions_of,
    watched,
    with_larger_moves,
    without_skill,
)

pytestmark = pytest.mark.proofs

SEEDS = (1, 2, 3, 4, 5)
LAST = date(2025, 12, 30)
YEAR = 250
STARTS = (1250, 1500)
"""Places of the sessions after which a year is watched: in 2023 and in 2024."""

PLANTED, STRONG = 0.08, 0.15
FOREST = "random_forest"


@cache
def forecasts(strength: float, seed: int) -> pd.DataFrame:
    return forest_forecasts(market_as_of(LAST, strength, seed), seed, test_size=0.33)


def judged_and_live(strength: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.datetime64]:
    """The holdout, then what the forest says in the year after it, and that year's first day."""
    table = forecasts(strength, seed)
    first = sessions_of(table)[-YEAR]
    mine = table[table["model"] == FOREST]
    return table[table["session"] < first], mine[mine["session"] >= first], first


def first_alarm(watches: list[SkillWatch]) -> int | None:
    """Sessions until the first of them began."""
    began = [
        int(watch.path["is_alarm"].to_numpy().argmax()) + 1
        for watch in watches
        if len(watch.path) and watch.path["is_alarm"].any()
    ]
    return min(began, default=None)


def test_an_unchanged_market_raises_at_most_two_false_alarms_a_year():
    counts = []
    for seed in SEEDS:
        tables = market_as_of(LAST, PLANTED, seed)
        of_inputs = [
            len(onsets(tables.features, tables.universe, first, YEAR, TRAINED_EVERY))
            for first in STARTS
        ]
        judged, live, _ = judged_and_live(PLANTED, seed)
        mine = judged[judged["model"] == FOREST]
        before = mine[mine["session"] >= sessions_of(mine)[-63]]
        said = prediction_drift(
            mine, pd.concat([before, live]), sessions_of(mine)[-1].astype(object)
        )
        watches = watched(judged, FOREST, "1", live)
        of_skill = sum(watch.path["is_alarm"].any() for watch in watches if len(watch.path))
        counts.append((float(np.mean(of_inputs)), n_onsets(said), int(of_skill)))
        print(
            f"seed {seed}: onsets a year of inputs {of_inputs}, said {n_onsets(said)},"
            f" skill {of_skill}"
        )
    total = np.array(counts).sum(axis=1)
    print(f"a year: inputs, said, skill {np.mean(counts, axis=0)}, together {total.mean():.2f}")
    assert total.mean() <= 2


def test_fixed_thresholds_would_be_on_most_of_the_time():
    """PSI .2 and the textbook KS on the same windows, of models that are never trained again."""
    shares = []
    for seed in SEEDS:
        tables = market_as_of(LAST, PLANTED, seed)
        sessions = sessions_of(tables.features)
        days = tables.features["session"].to_numpy()
        for start in STARTS:
            for end in range(start, start + YEAR, 25):
                known = days <= sessions[end]
                drift = input_drift(
                    tables.features[known],
                    tables.universe[known],
                    COLUMNS,
                    sessions[start].astype(object),
                )
                psi, p = drift.columns["psi"].max(), drift.columns["ks_p_value"].min()
                shares.append((psi > 0.2, p < 0.05, drift.has_drift))
    by_psi, by_ks, calibrated = np.mean(shares, axis=0)
    print(f"share of sessions in alarm: PSI .2 {by_psi}, KS with Holm {by_ks}, ours {calibrated}")
    assert by_psi > 0.5
    assert by_ks > 0.9
    assert calibrated < by_psi / 2


@pytest.mark.parametrize(("factor", "at_least"), [(2.0, 4), (1.5, 3)])
def test_larger_moves_are_noticed_within_a_quarter(factor: float, at_least: int):
    noticed = []
    for seed in SEEDS:
        tables = market_as_of(LAST, PLANTED, seed)
        cut = np.datetime64("2023-07-03")
        features, universe = with_larger_moves(tables.quotes, cut, factor)
        place = int(np.searchsorted(sessions_of(features), cut))
        began = onsets(features, universe, place - 1, 63, TRAINED_EVERY)
        noticed.append(began[0] if began else None)
    print(f"moves × {factor}: sessions until noticed {noticed}")
    assert sum(n is not None for n in noticed) >= at_least


def test_a_strong_skill_that_is_removed_is_noticed_within_a_quarter():
    noticed = []
    for seed in SEEDS:
        judged, live, first = judged_and_live(STRONG, seed)
        watches = watched(judged, FOREST, "1", without_skill(live, first, seed))
        noticed.append(first_alarm(watches))
    print(f"strong skill removed: sessions until noticed {noticed}")
    assert sum(n is not None and n <= 63 for n in noticed) >= 4
