"""Path returns: what a holder of each row's ticker had after one session, two, up to thirty."""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.price_grid import PriceGrid
from asset_predict_dagster.tables import PATH_HORIZONS


def path_returns(quotes: pd.DataFrame) -> np.ndarray:
    """Adjusted close of t → t+h for each h of `PATH_HORIZONS`; shape (n_rows, 30), fractions.

    By the rules of the labels, whose `realised_return_1d` to `_5d` are the first columns: steps
    are sessions of B3's calendar, a halted ticker keeps its last price. NaN where t+h is past the
    data, or without any trade after t up to t+h.

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`, in their order.
    """
    grid = PriceGrid(quotes)
    returns = np.empty((len(quotes), len(PATH_HORIZONS)))
    for position, horizon in enumerate(PATH_HORIZONS):
        returns[:, position] = grid.returns(entry=0, exit_=horizon)
    return returns
