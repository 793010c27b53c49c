"""Labels: what happened after t. Nothing up to t decides one alone; the tail is missing.

Returns step along B3's calendar, not along a ticker's own sessions: t+1 is the next session of
the exchange. A ticker that did not trade there keeps its last price, and is flagged; with no
trade at all in the span the label is missing, and so is every label whose span reaches past the
data. The same holds of a delisted ticker: see `price_grid.py`.

One column is no label, and says so: `signal_cluster`.

The table `labels` is that of the default `LabelDefinition`. An experiment with another one gets
its own labels from the same function, in memory.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.barriers import BARRIER_HORIZON, first_touch
from asset_predict_dagster.dataset.cross_section import gaussian_rank
from asset_predict_dagster.dataset.price_grid import PriceGrid
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, HORIZONS
from asset_predict_dagster.dataset.signal_cluster import signal_clusters
from asset_predict_dagster.dataset.uniqueness import uniqueness
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.tables import LABELS

LABEL_WIDTH = 0.5
"""Trailing volatilities, of the label's horizon, that a return must exceed to be buy or sell."""

SPAN = max(1 + max(HORIZONS), BARRIER_HORIZON)
"""Sessions after t that the labels of row t look at: entry at t+1, the last exit at t+1+5."""

LabelKind = Literal["forward_return", "triple_barrier", "signal_cluster"]


@dataclass(frozen=True)
class LabelDefinition:
    """What buy, hold and sell mean: the column `action`.

    Attributes
    ----------
    kind
        `forward_return`: where the return over the horizon ends. `triple_barrier`: which barrier
        a close of the horizon is beyond first (`barriers.py`); at horizon 1 it is the same.
        `signal_cluster`: no label at all but a function of the same day's features.
    horizon
        Sessions after t that decide; `signal_cluster` has none.
    width
        Trailing volatilities, of the horizon, that a return must exceed to be buy or sell.
    """

    kind: LabelKind = "forward_return"
    horizon: int = ACTION_HORIZON
    width: float = LABEL_WIDTH

    @property
    def span(self) -> int:
        """Sessions after t that the labels of row t look at, those of the returns included."""
        return SPAN if self.kind == "signal_cluster" else max(SPAN, self.horizon)


def compute_labels(
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    definition: LabelDefinition | None = None,
) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: `tables.LABELS`.

    Parameters
    ----------
    quotes, universe, features
        Rows of the tables of those names with the same keys in the same order. Of the features
        `volatility_21d` sets the width of hold: an action is missing where it is missing or
        zero. The inputs of `signal_cluster` are the others read.
    definition
        Of the action, and of what `uniqueness` and `span_end` are of; None: the default, which is
        that of the table. By triple barriers a row is unique as far as its own touch.
    """
    definition = definition or LabelDefinition()
    grid = PriceGrid(quotes)
    volatility = features["volatility_21d"].to_numpy(dtype=np.float64)
    table = quotes[["ticker", "session"]].reset_index(drop=True).copy()
    for h in HORIZONS:
        table[f"realised_return_{h}d"] = grid.returns(entry=0, exit_=h)
        tradable = grid.returns(entry=1, exit_=1 + h)
        table[f"realised_return_tradable_{h}d"] = tradable
        ranked = np.where(universe["in_universe"], tradable, np.nan)
        table[f"return_rank_{h}d"] = gaussian_rank(ranked, table["session"])
    table["action"], own_span = _actions_by(definition, grid, volatility, features)
    touches = first_touch(grid, volatility, LABEL_WIDTH)
    table["action_triple_barrier"] = _named(touches.side, touches.is_known)
    table["triple_barrier_touch"] = pd.Series(grid.session_ahead(touches.after)).where(
        touches.is_known
    )
    table["signal_cluster"] = signal_clusters(features)
    span = np.full(len(table), definition.span)
    table["uniqueness"] = uniqueness(grid, span if own_span is None else own_span)
    table["uniqueness_triple_barrier"] = np.where(
        touches.is_known, uniqueness(grid, touches.after), np.nan
    )
    for ahead in range(1, SPAN + 1):
        table[f"is_halted_{ahead}d"] = grid.did_not_trade(ahead)
    table["span_end"] = grid.session_ahead(span)
    return table[LABELS.column_names]


def actions(
    forward_return: np.ndarray, volatility: np.ndarray, width: float = LABEL_WIDTH
) -> pd.Series:
    """Buy, hold or sell in hindsight; missing where the return or the volatility is.

        buy if return > width × volatility, sell if return < -width × volatility, else hold

    >>> actions(np.array([0.02, 0.004, -0.02, np.nan]), np.full(4, 0.02)).tolist()
    ['buy', 'hold', 'sell', nan]
    """
    threshold = width * np.where(volatility > 0, volatility, np.nan)
    side = np.where(forward_return > threshold, 1, np.where(forward_return < -threshold, -1, 0))
    return _named(side, np.isfinite(forward_return) & np.isfinite(threshold))


def learned_until(training_end: date, span: int = SPAN) -> date:
    """The last session that a model trained on rows up to `training_end` knows something of.

    `span` is that of its label definition.
    """
    return session_after(training_end, span)


def _actions_by(
    definition: LabelDefinition, grid: PriceGrid, volatility: np.ndarray, features: pd.DataFrame
) -> tuple[pd.Series, np.ndarray | None]:
    """The actions of one definition, shape (n_rows,), missing where not known; and how many
    sessions each looked at, 0 where it is not known, or None where all look equally far."""
    if definition.kind == "signal_cluster":
        return signal_clusters(features), None
    if definition.kind == "triple_barrier":
        touches = first_touch(grid, volatility, definition.width, definition.horizon)
        looked = np.where(touches.is_known, touches.after, 0)
        return _named(touches.side, touches.is_known), looked
    moved = grid.returns(entry=0, exit_=definition.horizon)
    return actions(moved, volatility * np.sqrt(definition.horizon), definition.width), None


def _named(side: np.ndarray, is_known: np.ndarray) -> pd.Series:
    """1, 0 and -1 as buy, hold and sell; missing where not known."""
    names = pd.Series(np.select([side > 0, side < 0], ["buy", "sell"], "hold"), dtype="str")
    return names.where(is_known)
