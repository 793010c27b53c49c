"""Cross-sections: a ticker among the universe of its session, and the universe as a whole.

Every function takes the rows of a table in any order, with a code of the session for each row.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.trailing import trailing_mean, trailing_std, trailing_sum

BLOCK_CELLS = 1 << 16
"""Values ranked at a time: half a megabyte, so that the steps of a sort stay in the cache."""

_LARGEST = np.iinfo(np.int64).max


def gaussian_rank(values: np.ndarray, session: pd.Series) -> np.ndarray:
    """Standard normal quantile of (rank - 1/2) / n within each session; ties share their mean.

    Missing values stay missing and do not count in n.

    >>> one_day = pd.Series(pd.to_datetime(["2024-01-02"] * 4))
    >>> gaussian_rank(np.array([3.0, 1.0, 2.0, np.nan]), one_day).round(3).tolist()
    [0.967, -0.967, 0.0, nan]
    """
    codes, _ = pd.factorize(session)
    return CrossSection.of(codes, np.ones(len(codes), dtype=bool)).gaussian_rank(values)


@dataclass(frozen=True)
class _Block:
    """Some sessions side by side: a grid with a line per session and a cell per member.

    `rows` are the rows of the table that the `is_cell` of the grid hold, line by line.
    """

    rows: np.ndarray
    is_cell: np.ndarray


@dataclass(frozen=True)
class CrossSection:
    """The members of each session, sorted once for any number of columns to be ranked."""

    n_rows: int
    blocks: tuple[_Block, ...]

    @classmethod
    def of(cls, session_codes: np.ndarray, is_member: np.ndarray) -> "CrossSection":
        """Shape (n_rows,) each: a code from 0 per session, and who is ranked at all."""
        members = np.flatnonzero(is_member)
        codes = session_codes[members]
        n_members = np.bincount(codes)
        # Of 16 bits numpy sorts by digits, in a tenth of the time.
        narrow = codes.astype(np.min_scalar_type(len(n_members)))
        rows = members[np.argsort(narrow, kind="stable")]
        ends = np.cumsum(n_members)
        per_block = max(1, BLOCK_CELLS // max(n_members, default=1))
        blocks = []
        for first in range(0, len(n_members), per_block):
            sizes = n_members[first : first + per_block]
            end = ends[first + len(sizes) - 1]
            is_cell = np.arange(sizes.max()) < sizes[:, None]
            blocks.append(_Block(rows[end - sizes.sum() : end], is_cell))
        return cls(len(session_codes), tuple(blocks))

    def gaussian_rank(self, values: np.ndarray) -> np.ndarray:
        """As `gaussian_rank`, among the members; missing for the others.

        Parameters
        ----------
        values
            Shape (n_rows,), NaN = missing.

        Returns
        -------
        Shape (n_rows,), float64.
        """
        result = np.full(self.n_rows, np.nan)
        for block in self.blocks:
            grid = np.full(block.is_cell.shape, np.nan)
            grid[block.is_cell] = values[block.rows]
            result[block.rows] = self._ranks_of_lines(grid)[block.is_cell]
        return result

    def _ranks_of_lines(self, grid: np.ndarray) -> np.ndarray:
        n_lines, width = grid.shape
        place = _sorted_places(grid)
        place += np.arange(n_lines)[:, None] * width
        values = grid.take(place)
        n_known = width - np.isnan(grid).sum(axis=1)

        begins_tie = np.ones(grid.shape, dtype=bool)
        np.not_equal(values[:, 1:], values[:, :-1], out=begins_tie[:, 1:])
        begins = np.flatnonzero(begins_tie)
        n_tied = np.diff(begins, append=grid.size)
        # Ranks count from 1, so k equal values from rank r share r + (k - 1) / 2.
        twice_rank = np.repeat(2 * (begins % width) + n_tied + 1, n_tied).reshape(grid.shape)
        # Missing values sort last; the quantile of rank 0 is missing.
        twice_rank[np.arange(width) >= n_known[:, None]] = 0
        quantiles = self._quantiles
        of_n = n_known[:, None] * quantiles.shape[1]
        result = np.empty(grid.shape)
        result.ravel()[place] = quantiles.take(of_n + twice_rank)
        return result

    @cached_property
    def _quantiles(self) -> np.ndarray:
        """Quantile of (rank - 1/2) / n by n and twice the rank; missing for rank 0."""
        from scipy.special import ndtri  # a tenth of a second, for those who rank

        largest = max((block.is_cell.shape[1] for block in self.blocks), default=0)
        rank = np.arange(2 * largest + 1) / 2
        table = np.full((largest + 1, len(rank)), np.nan)
        table[1:] = ndtri((rank - 0.5) / np.arange(1, largest + 1)[:, None])
        table[:, 0] = np.nan
        return table


def _sorted_places(grid: np.ndarray) -> np.ndarray:
    """`np.argsort(grid, axis=1)`, equal values and missing ones last in any order.

    A double is turned into a whole number of the same order whose last bits make room for its
    place in the line: sorting numbers takes a fifth of the time of sorting places. Lines in which
    the lost bits mattered are sorted again.
    """
    width = grid.shape[1]
    place_bits = (1 << int(width - 1).bit_length()) - 1
    keys = grid.view(np.int64).copy()
    keys ^= (keys >> 63) & _LARGEST
    keys[np.isnan(grid)] = _LARGEST
    keys &= ~place_bits
    keys |= np.arange(width)
    keys.sort(axis=1)
    keys &= place_bits
    ordered = np.take_along_axis(grid, keys, axis=1)
    wrong = (ordered[:, 1:] < ordered[:, :-1]).any(axis=1)
    keys[wrong] = np.argsort(grid[wrong], axis=1)
    return keys


def mean_of_session(
    values: np.ndarray, session_codes: np.ndarray, is_member: np.ndarray
) -> np.ndarray:
    """Mean over the members of each session whose value is known; missing where there is none.

    Parameters
    ----------
    values, session_codes, is_member
        Shape (n_rows,); NaN = missing.

    Returns
    -------
    Shape (n_sessions,).
    """
    counts = is_member & ~np.isnan(values)
    n_sessions = int(session_codes.max(initial=-1)) + 1
    codes = session_codes[counts]
    number = np.bincount(codes, minlength=n_sessions)
    total = np.bincount(codes, weights=values[counts], minlength=n_sessions)
    return total / np.where(number > 0, number, np.nan)


def market_state(
    session_codes: np.ndarray,
    is_member: np.ndarray,
    log_return_1d: np.ndarray,
    log_return_21d: np.ndarray,
) -> dict[str, np.ndarray]:
    """The universe as a whole, session by session: the features of the market by name.

    Parameters
    ----------
    session_codes, is_member, log_return_1d, log_return_21d
        Shape (n_rows,); codes in the order of time, NaN = missing.

    Returns
    -------
    Shape (n_sessions,) each; missing where no member's value is known, and while a trailing window
    has such a session.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        return mean_of_session(values, session_codes, is_member)

    daily = mean(log_return_1d)
    variance = mean((log_return_1d - daily[session_codes]) ** 2)
    rose = np.where(np.isnan(log_return_21d), np.nan, log_return_21d > 0)
    return {
        "market_return_1d": daily,
        "market_return_21d": trailing_sum(daily, 21),
        "market_breadth_21d": mean(rose),
        "market_dispersion_21d": trailing_mean(np.sqrt(variance), 21),
        "market_volatility_21d": trailing_std(daily, 21),
    }
