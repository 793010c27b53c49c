"""Universe: which tickers are liquid enough to be learned from and forecast, known that day.

Only the sessions up to t decide row t. A ticker that later vanished stays in for the days it
was liquid, so nothing measured on the universe survives by construction.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.tables import UNIVERSE

WINDOW = 63
"""Sessions looked back on: three months."""

MIN_TRADED_SHARE = 0.9
MIN_TRADED_VALUE_BRL = 1_000_000.0

FORECAST_CLASSES = ("common", "preferred", "unit", "real_estate_fund")


def asset_class(specification: pd.Series, bdi_code: pd.Series) -> pd.Series:
    """The kind of paper from ESPECI and the section of B3's bulletin.

    >>> asset_class(
    ...     pd.Series(["ON  ED  NM", "PNA     N1", "UNT     N2", "CI  ER", "CI", "DRN"]),
    ...     pd.Series(["02", "02", "02", "12", "14", "34"]),
    ... ).tolist()
    ['common', 'preferred', 'unit', 'real_estate_fund', 'other', 'other']
    """
    paper = specification.str.extract(r"(\S+)", expand=False).fillna("")
    is_share = bdi_code.isin(["02", "05", "06", "07", "08"])
    classes = np.select(
        [
            is_share & (paper == "ON"),
            is_share & paper.str.startswith("PN"),
            is_share & (paper == "UNT"),
            (bdi_code == "12") & (paper == "CI"),
        ],
        ["common", "preferred", "unit", "real_estate_fund"],
        default="other",
    )
    return pd.Series(classes, index=specification.index, dtype="str")


def liquid_universe(quotes: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: `tables.UNIVERSE`.

    A ticker is in from its 63rd session on the exchange, if it traded in at least 90 % of the
    last 63 sessions, with a median traded value of at least R$ 1 million (a session without
    trades counts as 0). The median, not the mean: one block trade does not make a paper liquid.
    """
    value = quotes.pivot(index="session", columns="ticker", values="volume_brl")
    listed = value.notna().cummax()
    traded_value = value.fillna(0.0).where(listed)
    trailing = traded_value.rolling(WINDOW, min_periods=1)
    rows = pd.MultiIndex.from_frame(quotes[["session", "ticker"]])
    sessions_listed = listed.cumsum().stack().reindex(rows).to_numpy()
    median = trailing.median().stack().reindex(rows).to_numpy()
    traded = value.notna().astype(float).where(listed)
    traded_share = traded.rolling(WINDOW, min_periods=1).mean().stack().reindex(rows).to_numpy()

    classes = asset_class(quotes["specification"], quotes["bdi_code"])
    reason = np.select(
        [
            ~classes.isin(FORECAST_CLASSES),
            sessions_listed < WINDOW,
            traded_share < MIN_TRADED_SHARE,
            median < MIN_TRADED_VALUE_BRL,
        ],
        ["asset_class", "too_new", "too_few_sessions", "too_little_value"],
        default="",
    )
    return pd.DataFrame(
        {
            "ticker": quotes["ticker"],
            "session": quotes["session"],
            "asset_class": classes,
            "traded_value_brl": median,
            # A rolling mean of zeros and ones can end a rounding error above 1.
            "traded_share": np.clip(traded_share, 0.0, 1.0),
            "in_universe": reason == "",
            "reason": reason,
        }
    )[UNIVERSE.column_names]
