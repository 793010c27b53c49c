"""The odds of each share event, given what B3's mark promises and how far the price was cut.

Bayes' rule: a prior by the mark of ESPECI, spread over the factors that companies announce, times
the likelihood of the night's move that each leaves over. "Cash or nothing" competes with them,
and so does a factor that is on no list.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

DEGREES = 4
"""Of Student's t, which overnight moves follow: large ones are not as rare as the normal says."""

SPLITS = {
    2: 30, 3: 14, 4: 14, 5: 14, 6: 5, 7: 2, 8: 4, 9: 1, 10: 12, 12: 0.5, 15: 0.5, 20: 1, 25: 0.5,
    30: 0.2, 40: 0.2, 50: 0.5, 100: 0.8, 1000: 0.2,
}  # fmt: skip
GROUPINGS = {
    2: 4, 3: 3, 4: 6, 5: 12, 6: 2, 7: 1, 8: 3, 10: 40, 12: 1, 15: 2, 20: 6, 25: 3, 30: 2, 40: 1,
    50: 4, 100: 6, 200: 0.5, 500: 0.5, 1000: 2.5,
}  # fmt: skip
BONUSES = {
    0.01: 1, 0.02: 3, 0.03: 6, 0.04: 2, 0.05: 14, 0.06: 1, 0.08: 1, 0.10: 40, 0.12: 0.5, 0.15: 3,
    0.20: 10, 0.25: 6, 0.30: 4, 1 / 3: 2, 0.40: 0.5, 0.50: 6,
}  # fmt: skip
"""How common each is among its kind, in relative terms: new shares for one old, old shares for
one new, new shares on top of one. Judged from what Brazilian companies announce; the price
decides, and these only between factors that it cannot tell apart."""


class Prior(NamedTuple):
    """What a mark of ESPECI lets one expect before the price is seen; the rest is cash or nothing.

    Attributes
    ----------
    split, grouping, bonus
        Probability of each kind, at a factor of the lists above.
    other
        Probability of a share event at a factor that no list holds.
    large_cash
        Of cash: probability that its size can be anything up to the whole price.
    """

    split: float
    grouping: float
    bonus: float
    other: float
    large_cash: float


PRIORS = {
    "B": Prior(split=0.40, grouping=0.01, bonus=0.50, other=0.06, large_cash=0.05),
    "G": Prior(split=0.005, grouping=0.94, bonus=0.005, other=0.04, large_cash=0.05),
    "": Prior(split=0.02, grouping=0.02, bonus=0.01, other=0.01, large_cash=0.05),
    "A": Prior(split=0.0001, grouping=0.0005, bonus=0.0, other=0.001, large_cash=0.5),
    "D": Prior(split=0.0001, grouping=0.0005, bonus=0.0, other=0.001, large_cash=0.02),
}
"""By mark. B: ex bonus, which B3 writes for splits as well; G: ex grouping; none, or one that
says nothing of the kind; A: amortisation or capital paid back; D stands for all other cash
(D dividend, J interest on capital, R income of a fund) and for subscription rights (S): a share
event only if the price says so beyond doubt, and never a bonus, which a dividend is mistaken for.
Of 173 steps of DISMES in the real files of January 2016 and 2021 all but three carry one."""

_LETTERS = {"B": "B", "G": "G", "A": "A", "C": "A", "D": "D", "J": "D", "R": "D", "S": "D"}
_ORDER = "GBAD"

USUAL_CASH = 0.008
CASH_SPREAD = 1.0
"""Cash over price is log-normal around 0.8 % by a factor of e: 10 % is passed once in 170 times."""

LARGEST_CASH = 0.95
"""Of the price."""

_CASH_STEP = 0.15
_USUAL_STEPS = np.arange(-3.0, 4.2, _CASH_STEP)
_USUAL_CASH = USUAL_CASH * np.exp(CASH_SPREAD * _USUAL_STEPS)
_USUAL_WEIGHTS = np.exp(-(_USUAL_STEPS**2) / 2) / np.exp(-(_USUAL_STEPS**2) / 2).sum()


def prior_of(letters: str) -> str:
    """The key of PRIORS for the letters gained: the one that promises shares first."""
    kinds = {_LETTERS[letter] for letter in letters if letter in _LETTERS}
    return next((kind for kind in _ORDER if kind in kinds), "")


class ShareEventOdds:
    """Every factor that an event can have, weighed against each other and against none."""

    def __init__(self):
        rows = [
            *(("split", float(n), weight) for n, weight in SPLITS.items()),
            *(("grouping", 1 / n, weight) for n, weight in GROUPINGS.items()),
            *(("bonus", 1 + share, weight) for share, weight in BONUSES.items()),
        ]
        self.kinds = np.array([kind for kind, _, _ in rows])
        self.factors = np.array([factor for _, factor, _ in rows])
        weights = pd.Series([float(weight) for _, _, weight in rows])
        shares_of_kind = (weights / weights.groupby(self.kinds).transform("sum")).to_numpy()
        kinds = ("split", "grouping", "bonus")
        self._prior = {
            mark: shares_of_kind
            * np.select([self.kinds == k for k in kinds], [p[k] for k in kinds])
            for mark, p in ((mark, prior._asdict()) for mark, prior in PRIORS.items())
        }

    def weigh(self, steps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Per step the place of the likeliest factor, and its posterior probability."""
        ratio, scale = steps["log_ratio"].to_numpy(), steps["scale"].to_numpy()
        priors = [PRIORS[mark] for mark in steps["prior"]]
        listed = np.stack([self._prior[mark] for mark in steps["prior"]])  # (n_steps, n_factors)
        other = np.array([prior.other for prior in priors])
        large = np.where(steps["is_other_known"], 0.9, [prior.large_cash for prior in priors])
        none = np.where(steps["is_cash_known"], 0.95, 0.2)

        no_shares = (1 - listed.sum(axis=1) - other) * (
            none * _density(ratio, scale) + (1 - none) * _cash_density(ratio, scale, large)
        )
        beyond = ratio[:, None] - np.log(self.factors)
        likelihood = _density(beyond, scale[:, None])
        both = (steps["has_cash_mark"] & ~steps["is_cash_known"]).to_numpy()
        likelihood[both] = _cash_density(beyond[both], scale[both, None], large[both, None])
        weighed = listed * likelihood
        chosen = weighed.argmax(axis=1)
        total = weighed.sum(axis=1) + other * _any_factor_density(ratio) + no_shares
        return chosen, weighed.max(axis=1) / total


def _density(move: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Of an overnight move: Student's t with 4 degrees of freedom."""
    return 0.375 * (1 + (move / scale) ** 2 / DEGREES) ** -2.5 / scale


def _cash_density(fall: np.ndarray, scale: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Of a log fall by an unknown amount of cash and an overnight move: usual cash, or any."""
    usual = np.zeros_like(fall)
    for cash, weight in zip(_USUAL_CASH, _USUAL_WEIGHTS, strict=True):
        # As wide as the step between two amounts, so that no gap is left between them.
        width = np.hypot(scale, cash * _CASH_STEP / 2)
        usual += weight * _density(fall + np.log1p(-cash), width)
    # Cash of any share of the price up to 95 %, each as likely: exp(-fall) per unit of log fall.
    within = _below(fall / scale) * _below((-np.log1p(-LARGEST_CASH) - fall) / scale)
    return (1 - large) * usual + large * np.exp(-fall.clip(min=0)) / LARGEST_CASH * within


def _below(z: np.ndarray) -> np.ndarray:
    """Distribution function of Student's t with 4 degrees of freedom."""
    t = z / np.sqrt(1 + z**2 / 4)
    return (0.5 + 0.375 * t * (1 - t**2 / 12)).clip(0.0, 1.0)


def _any_factor_density(ratio: np.ndarray) -> np.ndarray:
    """Of a factor that no list holds: half of them up to 1.65 new for one, as odd bonuses are."""
    return 0.5 / 15 * (np.abs(ratio) < 7.5) + 0.5 / 0.5 * ((ratio > 0) & (ratio < 0.5))
