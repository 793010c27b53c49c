"""The forest beside plain scikit-learn, its search by halving beside a full one, and its graph.

On the panel of real prices where it lies beside this checkout, else on a simulated market. Fitted
on the training fold and scored on validation, before any calibration; the test is not touched. The
search runs on simulated markets alone: on real prices one forest's luck hides what a search finds.
"""

from collections.abc import Callable, Iterator
from datetime import date
from time import perf_counter, process_time

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.dataset.splits import role_mask, temporal_split, usable_sessions
from asset_predict_dagster.market.corporate_actions import read_corporate_actions
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.models.forecasting import Graph
from asset_predict_dagster.models.forest_folds import action_score, returns_score
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.importance import permutation_importance
from asset_predict_dagster.models.random_forest import RandomForestLearner
from asset_predict_dagster_tests.market.real_panel import PANEL, PANEL_END, panel_quotes
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.models.synthetic import planted_market
from benchmarks.timing import cpu_seconds

ONES = 2_000
SEEDS = (42, 43, 44)
SEARCHES = ("none", "halving", "random")

Forecast = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def market() -> tuple[str, Samples, np.ndarray, np.ndarray]:
    """Its name, its samples, and the labelled rows of training and of validation."""
    if PANEL.is_dir():
        name = "58 real tickers"
        quotes = adjust(panel_quotes(), read_corporate_actions(PANEL, PANEL_END))
        universe = liquid_universe(quotes)
        features = compute_features(quotes, universe)
        labels = compute_labels(quotes, universe, features)
        samples = build_samples(features, universe, labels)
        folds = temporal_split(usable_sessions(labels, universe))
    else:
        name, simulated = "simulated market", market_as_of(date(2023, 12, 28))
        samples, folds = simulated.samples, simulated.folds()
    train, validation = (
        samples.is_labelled & role_mask(samples.sessions, samples.session_codes, folds, role)
        for role in ("train", "validation")
    )
    return name, samples, train, validation


def run() -> str:
    name, *given = market()
    return "\n".join([f"forest, one thread: {name}", *_lines(*given)])


def _lines(samples: Samples, train: np.ndarray, validation: np.ndarray) -> Iterator[str]:
    seconds, worths = [], []
    for seed in SEEDS:
        start = process_time()
        trained = RandomForestLearner(FOREST_FEATURES, ForestSettings(seed=seed)).fit(
            samples, train, validation
        )
        between = process_time()
        plain = _plain(samples, train, seed)
        seconds.append((between - start, process_time() - between))
        forecasts = trained.native_forecast, plain
        worths.append([_worth(forecast, samples, validation) for forecast in forecasts])
    ours, of_plain = np.min(seconds, axis=0)
    yield (
        f"  {train.sum():,} rows × {len(FOREST_FEATURES)} features, twins of"
        f" {ForestSettings().n_estimators} trees: {ours:.1f} CPU s with export, plain scikit-learn"
        f" {of_plain:.1f}: {of_plain / ours:.2f} times as long"
    )
    for side, worth in zip(("ours", "plain"), zip(*worths, strict=True), strict=True):
        said = ", ".join(f"{loss:.5f} and {correlation:.4f}" for loss, correlation in worth)
        yield f"    {side}, log-loss and correlation by seed: {said}"

    yield from _searches()

    graph = Graph(
        trained.onnx,
        {"model": "random_forest", "feature_names": FOREST_FEATURES, "lookback": 1},
    )
    asked = np.flatnonzero(validation)
    (all_features,) = cpu_seconds(
        lambda: permutation_importance(graph.run, samples, asked, 42, features=FOREST_FEATURES)
    )
    (reading,) = cpu_seconds(lambda: graph.run(samples, asked))
    ready = samples.columns(FOREST_FEATURES)[asked[:1]]
    one = [_seconds(lambda: graph.answer(ready)) for _ in range(ONES)]
    yield (
        f"  importance of {len(FOREST_FEATURES)} features: {all_features:.1f} CPU s; graph:"
        f" {len(asked) / reading:,.0f} rows a CPU second, one row p50 {1e6 * np.median(one):.0f} µs"
    )


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _plain(samples: Samples, train: np.ndarray, seed: int) -> Forecast:
    """The same forests on the values themselves, what is missing filled with the median."""
    features = samples.columns(FOREST_FEATURES)
    medians = np.nanmedian(features[train], axis=0)

    def filled(given: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(given), medians, given)

    knobs = ForestSettings()
    shared = knobs.model_dump(include={"n_estimators", "max_features", "max_samples"})
    shared |= {"min_samples_leaf": knobs.min_samples_leaf, "random_state": seed}
    classifier = RandomForestClassifier(**shared)
    classifier.fit(filled(features[train]), samples.action[train])
    regressor = RandomForestRegressor(**shared)
    regressor.fit(filled(features[train]), samples.return_ranks[train])
    return lambda given: (
        classifier.predict_proba(filled(given)),
        regressor.predict(filled(given)),
    )


def _searches() -> Iterator[str]:
    """No search, by halving, and of every candidate to the end, where there is much to find.

    On markets with a signal planted, scored on sessions after all that was searched.
    """
    seconds, worths = [], []
    for seed in SEEDS:
        market = planted_market(20, 1_200, 20, signal=0.1, seed=seed)
        samples, names = market.samples, market.samples.feature_names
        before, later = market.rows(0, 599), market.rows(611, 1_199)
        for search in SEARCHES:
            knobs = ForestSettings(search=search, n_estimators=60, seed=seed)
            start = process_time()
            trained = RandomForestLearner(names, knobs).fit(samples, before, later)
            seconds.append(process_time() - start)
            worths.append(_worth(trained.native_forecast, samples, later, names))
    by_search = np.reshape(seconds, (len(SEEDS), -1)).sum(axis=0)
    means = np.reshape(worths, (len(SEEDS), -1, 2)).mean(axis=0)
    yield (
        f"  search of {ForestSettings().n_candidates} candidates on {len(SEEDS)} simulated markets:"
        f" by halving {by_search[1]:.1f} CPU s, all of them to the end {by_search[2]:.1f}:"
        f" {by_search[1] / by_search[2]:.0%}"
    )
    for search, (loss, correlation) in zip(SEARCHES, means, strict=True):
        yield f"    {search}: log-loss and correlation later {loss:.5f} and {correlation:.4f}"


def _worth(
    forecast: Forecast,
    samples: Samples,
    rows: np.ndarray,
    names: tuple[str, ...] = FOREST_FEATURES,
) -> tuple[float, float]:
    """Log-loss of the action, and correlation of scores with return ranks within a session."""
    probabilities, scores = forecast(samples.columns(names)[rows])
    ranks, sessions = samples.return_ranks[rows], samples.session_codes[rows]
    return (
        -action_score(probabilities, samples.action[rows]),
        returns_score(scores, ranks, sessions),
    )


if __name__ == "__main__":
    print(run())
