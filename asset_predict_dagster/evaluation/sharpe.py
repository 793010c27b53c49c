"""Sharpe ratios, and how likely one of them is more than luck.

    Sharpe ratio = mean / standard deviation of the returns of a session

Ratios are per session throughout; `annualised` gives the one that people quote. No riskless return
is subtracted: `performance.CDI_CAVEAT` says what that means.

Sources: Sharpe (1994), "The Sharpe ratio"; Bailey and López de Prado (2012), "The Sharpe ratio
efficient frontier"; the same (2014), "The deflated Sharpe ratio: correcting for selection bias,
backtest overfitting and non-normality".
"""

import numpy as np
from scipy.special import ndtr, ndtri

SESSIONS_A_YEAR = 252
"""By custom; B3 has 246 to 252."""


def sharpe_ratio(returns: np.ndarray) -> float:
    """Mean over sample standard deviation (n - 1), per session.

    Parameters
    ----------
    returns
        Shape (n_sessions,), simple returns. Missing ones are left out.

    Returns
    -------
    NaN of fewer than two returns, and of returns that never vary.

    Examples
    --------
    >>> sharpe_ratio(np.array([0.01, 0.03]))  # mean .02, deviation .0141
    1.4142135623730951
    """
    known = _known(returns)
    if len(known) < 2 or not _varies(known):
        return float("nan")
    return float(known.mean() / known.std(ddof=1))


def annualised(sharpe: float) -> float:
    """× √252: as if sessions were independent (Lo 2002 says how far off that is if not)."""
    return float(sharpe * np.sqrt(SESSIONS_A_YEAR))


def probabilistic_sharpe_ratio(returns: np.ndarray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark`; see `probability_above`.

    Skewness and kurtosis are those of the sample. Returns of neighbouring sessions are taken as
    independent; a bootstrap by blocks, such as the interval beside it, does not need that.

    Parameters
    ----------
    returns
        Shape (n_sessions,), simple returns. Missing ones are left out.
    benchmark
        A Sharpe ratio per session.

    Returns
    -------
    In [0, 1]; NaN where the Sharpe ratio is.
    """
    known = _known(returns)
    sharpe = sharpe_ratio(known)
    if np.isnan(sharpe):
        return float("nan")
    standard = (known - known.mean()) / known.std()
    skewness, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    return probability_above(sharpe, benchmark, len(known), skewness, kurtosis)


def probability_above(
    sharpe: float, benchmark: float, n_sessions: int, skewness: float, kurtosis: float
) -> float:
    """Probability that a true Sharpe ratio is above `benchmark` where `sharpe` was measured.

        Φ((sharpe - benchmark) √(n - 1) / √(1 - skewness sharpe + (kurtosis - 1) / 4 sharpe²))

    Parameters
    ----------
    sharpe, benchmark
        Per session.
    kurtosis
        Not the excess: 3 of a normal distribution.

    Returns
    -------
    NaN where the root is of nothing: returns of two values only can do that.

    References
    ----------
    Bailey and López de Prado (2012), equation 11.
    """
    variance = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if not variance > 0:
        return float("nan")
    return float(ndtr((sharpe - benchmark) * np.sqrt(n_sessions - 1) / np.sqrt(variance)))


def expected_maximum_sharpe(n_trials: int, variance: float) -> float:
    """What the best of `n_trials` Sharpe ratios is expected to be where none has any skill.

        √variance ((1 - γ) Φ⁻¹(1 - 1 / n) + γ Φ⁻¹(1 - 1 / (n e))),  γ = 0.5772, Euler's constant

    The formula is an approximation: 1.4 % above the mean of draws at 50 trials, 8 % below at 2.

    Parameters
    ----------
    n_trials
        Independent trials, 1 or more. Variants of one idea are alike and count for fewer; to count
        each is to doubt too much rather than too little. Of one trial the best is expected at 0.
    variance
        Of the Sharpe ratios among the trials, in the unit of the answer, squared.

    References
    ----------
    Bailey and López de Prado (2014), equation 1.
    """
    if n_trials <= 1:
        return 0.0
    gamma = np.euler_gamma
    best = (1 - gamma) * ndtri(1 - 1 / n_trials) + gamma * ndtri(1 - 1 / (n_trials * np.e))
    return float(np.sqrt(variance) * best)


def deflated_sharpe_ratio(
    returns: np.ndarray, n_trials: int, variance: float | None = None
) -> float:
    """Probability that the true Sharpe ratio is above what the best of the trials has by luck.

        probabilistic_sharpe_ratio(returns, expected_maximum_sharpe(n_trials, variance))

    Parameters
    ----------
    returns
        Shape (n_sessions,), simple returns. Missing ones are left out.
    n_trials
        Every variant that was looked at on the way to this one. With 1 the answer is the
        probabilistic ratio.
    variance
        Of the trials' Sharpe ratios, per session squared. None: that of estimates whose truth is 0,
        1 / (n_sessions - 1), which is what trials without skill would show.

    References
    ----------
    Bailey and López de Prado (2014), equation 2.
    """
    n_sessions = len(_known(returns))
    if variance is None:
        variance = 1 / max(n_sessions - 1, 1)
    return probabilistic_sharpe_ratio(returns, expected_maximum_sharpe(n_trials, variance))


def _known(returns: np.ndarray) -> np.ndarray:
    values = np.asarray(returns, dtype=np.float64)
    return values[~np.isnan(values)]


def _varies(values: np.ndarray) -> bool:
    # Equal values can leave a deviation that is rounding alone.
    return bool(values.std() > 1e-12 * np.abs(values).max())
