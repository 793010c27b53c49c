"""Universe: which tickers are liquid enough to be learned from and forecast, known that day.

Only the sessions up to t decide row t. A ticker that later vanished stays in for the days it
was liquid, so nothing measured on the universe survives by construction.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from asset_predict_dagster.tables import UNIVERSE

WINDOW = 63
"""Sessions looked back on: three months."""

MIN_TRADED_SHARE = 0.9
MIN_TRADED_VALUE_BRL = 1_000_000.0

FORECAST_CLASSES = ("common", "preferred", "unit", "real_estate_fund")


NO_ETF = r"\b(?:FI|FIA|FIC|FIDC|FDC|FIM|FIP|FIRF|FINAM|FINOR|FISET|FUNDES|INFRA\w*|CDII)\b"
"""Words in the short name of a fund that is listed in section 14 and follows no index: funds of
private equity, of infrastructure debt (CDII is one whose name does not say so), of tax credits.
Source: the papers of section 14 in B3's files of 2003, 2016, January 2021 and 8 November 2024."""


def asset_class(specification: pd.Series, bdi_code: pd.Series, company: pd.Series) -> pd.Series:
    """The kind of paper: one of `tables.ASSET_CLASSES`, shape (n_records,).

    ESPECI decides wherever it can. The section of B3's bulletin says where a paper is listed, and
    moves: BDRs left section 02 for 34-36 between 2021 and 2023, shares go to 05-08 and 58 under
    special situations. A quota of a fund (CI) takes its kind from its section, and in a special
    situation from its name. Funds of agribusiness (13), of private equity and of infrastructure
    are `other`, as are receipts, rights and indices.

    Parameters
    ----------
    specification, bdi_code, company
        ESPECI, CODBDI and NOMRES as B3 wrote them that day.

    References
    ----------
    B3, record layout of the historical quotes, tables of CODBDI and ESPECI; the real files of
    2003-2024.

    Examples
    --------
    >>> asset_class(
    ...     pd.Series(["ON  ED  NM", "PNA*", "UNT     N2", "CI  ER", "CI", "CI", "DRN"]),
    ...     pd.Series(["02", "02", "02", "12", "14", "14", "34"]),
    ...     pd.Series(["WEG", "CESP", "KLABIN S/A", "FII HGLG", "ISHARES BOVA", "FINAM", "APPLE"]),
    ... ).tolist()
    ['common', 'preferred', 'unit', 'real_estate_fund', 'etf', 'other', 'bdr']
    """
    paper = specification.str.extract(r"^([A-Z0-9]+)", expand=False).fillna("")
    # B3 writes `PNA*` for `PNA`, and CIA for a fund's class A.
    is_quota = paper.isin(["CI", "CIA"])
    is_real_estate = (bdi_code == "12") | company.str.match(r"FII\b")
    is_etf = (bdi_code == "14") & ~company.str.contains(NO_ETF)
    classes = np.select(
        [
            paper == "ON",
            paper.str.fullmatch("PN[A-Z]?"),
            paper == "UNT",
            paper.isin(["BDR", "DRN", "DRE", "DR1", "DR2", "DR3"]),
            is_quota & is_real_estate,
            is_quota & is_etf,
        ],
        ["common", "preferred", "unit", "bdr", "real_estate_fund", "etf"],
        default="other",
    )
    return pd.Series(classes, index=specification.index, dtype="str")


def liquid_universe(
    quotes: pd.DataFrame, classes: Collection[str] = FORECAST_CLASSES
) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: `tables.UNIVERSE`.

    A ticker is in from its 63rd session on the exchange, if it traded in at least 90 % of the
    last 63 sessions, with a median traded value of at least R$ 1 million (a session without
    trades counts as 0). The median, not the mean: one block trade does not make a paper liquid.

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`.
    classes
        The kinds of paper to learn from and forecast, of `tables.ASSET_CLASSES`.
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

    kind = asset_class(quotes["specification"], quotes["bdi_code"], quotes["company"])
    reason = np.select(
        [
            ~kind.isin(list(classes)),
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
            "asset_class": kind,
            "traded_value_brl": median,
            # A rolling mean of zeros and ones can end a rounding error above 1.
            "traded_share": np.clip(traded_share, 0.0, 1.0),
            "in_universe": reason == "",
            "reason": reason,
        }
    )[UNIVERSE.column_names]
