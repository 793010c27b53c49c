"""Adjusted returns beside the true ones of a simulated market, within the rounding of centavos."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from asset_predict_dagster.market.corporate_actions import APPLIED_CONFIDENCE, combine, no_events
from asset_predict_dagster.market.inferred_actions import infer_share_events
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.tables import CORPORATE_ACTIONS, SHARE_KINDS


@dataclass(frozen=True)
class Truth:
    """One simulated market, its events as inferred, and its returns as adjusted by them.

    Attributes
    ----------
    events
        One row per share event that happened or was inferred: ticker, ex_date; kind and factor as
        inferred, `true_kind` and `true_factor`; missing where there is none; `is_right`.
    with_inferred, with_everything
        One row per true return: adjusted by the true dividends and the inferred share events, or
        by every true event. Columns: ticker, session, error, bound, holds.
    """

    events: pd.DataFrame
    with_inferred: pd.DataFrame
    with_everything: pd.DataFrame

    @property
    def n_wrong_kinds(self) -> int:
        """Splits and groupings missed, invented, or found with another factor."""
        large = self.events[["kind", "true_kind"]].isin(["split", "grouping"]).any(axis=1)
        return int((large & ~self.events["is_right"]).sum())

    @property
    def n_not_applied(self) -> int:
        """Share events that happened and that nobody found, surely enough and with their factor."""
        applied = self.events["is_right"] & (self.events["confidence"] >= APPLIED_CONFIDENCE)
        return int((self.events["true_kind"].notna() & ~applied).sum())


def against_the_truth(seed: int, last: date) -> Truth:
    simulation = SimulatedMarket(seed).simulate(last)
    quotes = clean_quotes(simulation.records, last)
    true = true_events(simulation.corporate_actions)
    is_share = true["kind"].isin(SHARE_KINDS)
    dividends = true[~is_share]
    inferred = infer_share_events(quotes, dividends)
    events = inferred.merge(
        true.loc[is_share, ["ticker", "ex_date", "kind", "factor"]].rename(
            columns={"kind": "true_kind", "factor": "true_factor"}
        ),
        on=["ticker", "ex_date"],
        how="outer",
        validate="1:1",
    )
    same = (events["factor"] - events["true_factor"]).abs() < 1e-9
    events["is_right"] = (events["kind"] == events["true_kind"]) & same
    return Truth(
        events,
        _errors(quotes, combine(dividends, inferred), simulation.true_returns),
        _errors(quotes, true, simulation.true_returns),
    )


def true_events(corporate_actions: pd.DataFrame) -> pd.DataFrame:
    """A simulation's events as `tables.CORPORATE_ACTIONS`."""
    told = corporate_actions.assign(source="csv", confidence=1.0, evidence=None, disputed=None)
    return told[CORPORATE_ACTIONS.column_names].astype(no_events().dtypes)


def _errors(quotes: pd.DataFrame, events: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """(close × new shares + cash) / previous close, with both closes half a centavo off at most.

    So |error| ≤ (half a tick today × new shares + half a tick before × (1 + return)) / previous
    close; a tick is a centavo over FATCOT. The dividend's own place in the formula is exact: it
    is earned per share and reinvested at the close that is quoted.
    """
    table = adjust(quotes, events)
    of_ticker = table.groupby("ticker")
    half_a_tick = 0.005 / quotes["quotation_factor"]
    seen = pd.DataFrame(
        {
            "ticker": table["ticker"],
            "session": table["session"],
            "seen": table["adjusted_close"] / of_ticker["adjusted_close"].shift() - 1,
            "previous": of_ticker["close"].shift(),
            "new_shares": table["split_factor"] / of_ticker["split_factor"].shift(),
            "half_a_tick": half_a_tick,
            "half_a_tick_before": half_a_tick.groupby(table["ticker"]).shift(),
        }
    ).dropna(subset="previous")
    both = seen.merge(truth, on=["ticker", "session"], how="outer", validate="1:1")
    off_brl = both["half_a_tick"] * both["new_shares"] + both["half_a_tick_before"] * (
        1 + both["total_return"]
    )
    error = (both["seen"] - both["total_return"]).abs()
    bound = off_brl / both["previous"] + 1e-9
    return both[["ticker", "session"]].assign(error=error, bound=bound, holds=error <= bound)
