"""The simulated market as the tables of the lake, worked out once and only read."""

from dataclasses import dataclass
from datetime import date
from functools import cache

import pandas as pd

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.universe import liquid_universe


@dataclass(frozen=True)
class MarketTables:
    """Tables with equal keys in equal order, as of one session, and the market's oracle."""

    quotes: pd.DataFrame
    universe: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    oracle: pd.DataFrame

    @property
    def samples(self) -> Samples:
        return build_samples(self.features, self.universe, self.labels)

    def folds(self, test_size: float = 0.2) -> pd.DataFrame:
        return temporal_split(usable_sessions(self.labels, self.universe), test_size=test_size)


@cache
def market_as_of(last: date, signal_strength: float = 0.3, seed: int = 42) -> MarketTables:
    """Everything known at the close of `last`."""
    simulation = SimulatedMarket(seed, signal_strength).simulate(last)
    quotes = adjust(clean_quotes(simulation.records, last), simulation.corporate_actions)
    universe = liquid_universe(quotes)
    features = compute_features(quotes, universe)
    labels = compute_labels(quotes, universe, features)
    return MarketTables(quotes, universe, features, labels, simulation.oracle)
