"""Twelve years of real prices of 58 papers, where they lie beside this checkout."""

from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.quotes import clean_quotes

PANEL = Path(__file__).parents[2] / ".." / "shared" / "data" / "b3_panel"
PANEL_END = date(2024, 2, 26)

needs_panel = pytest.mark.skipif(
    not PANEL.is_dir(), reason="the panel of real prices is not beside this checkout"
)


@cache
def panel_quotes() -> pd.DataFrame:
    """As `clean_quotes` gives them; read once and only read."""
    files = sorted(PANEL.glob("COTAHIST_A*.ZIP"))
    records = pd.concat([read_cotahist(path).records for path in files], ignore_index=True)
    return clean_quotes(records, PANEL_END)
