"""Impossible skill: what no honest forecast of daily stocks reaches, at any horizon.

Each limit is held against the end of the 95 % interval that is kindest to the model, so that chance
alone does not accuse. Rank IC and direction are held against the opposite sign as well: a leak
that calibration turned round is a leak. One session ahead:

    metric                                          honest       planted .15   limit
    rank_ic, rank_ic_next_close                     .028-.032    .13           .20
    directional_accuracy, beyond always up or down  .01          .04           .10
    r2_return                                       below .005   .010          .05
    mae_return, mae_price, mape_price: share of
      the error undone of the best
      without a model                               below .002   .005          .025
    interval_width / mean |return|, where it
      holds 80 % and more                           4.5          4.5           1.95
    accuracy: share of the majority's errors undone 0            .02           .25
    log_loss: share of the prior's undone           .01          .011          .15

and at h sessions, with L = .20 √min(h, 10):

    rank IC: L          direction: L / 2            variance explained: v = 1.25 L²
    error undone: 1 - √(1 - v)                      width: 2 √(1 - v) mean |return|

so .45, .22, .25, .13 and 1.7 at five sessions, .63, .32, .50, .29 and 1.4 at ten and more. Accuracy
and log-loss are of the action's horizon alone and keep their limits.

"Honest" is what our models and their relatives measured on B3's stocks (docs/LOG.md); "planted
.15" is the oracle of a simulated market of that strength. A rank IC of .20 on fifty stocks would
be a Sharpe ratio of 22 before costs (IC × √(bets a year), the fundamental law of active
management): no record of any fund is near it. A correlation of .20 guesses the direction of
.56 to .58 of all moves and explains .04 of their variance; a forecast that explains v leaves
√(1 - v) of the error. An honest interval of 90 % is 4.1 mean moves wide if moves are normal, and
was 4.5 to 4.8 at 1 to 30 sessions on B3's stocks: half of that with the same coverage knows
what comes. Accuracy and log-loss count from what the commonest class and the class frequencies
reach, because wide labels make 99 % easy; their limits are above an oracle's at strength .5 (.20
and .10). Whoever is given the answer passes one or more of them, depending on which answer it is.

**Why the limits grow with the horizon**: a signal that lasts adds up over h sessions while noise
adds up by its root, so that an honest rank IC may grow with √h. The planted one, whose correlation
with itself is .65 after ten sessions, would gather 2.1 times at five and 3.2 at thirty, which is
√10 (Σ .958^k / √h). On B3's stocks that of `ridge` grew from .030 to .041 at five, most of all.

A horizon is held to its limits where the window has `OUTCOMES_TO_ACCUSE` outcomes of it that do not
overlap (and sessions enough: `skill_claim.claim_of`). Errors and widths are not, where nearly all
returns go one way: a paper of overnight interest is easily forecast.

On a simulated market of known strength s, .20 is max(.20, s + .05): the strength .5 can be
chosen, and is no leak.

Source: Grinold (1989), "The fundamental law of active management".
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.market.sessions import sessions_between

LARGEST_RANK_IC = 0.20
BEYOND_PLANTED = 0.05
GATHERS_UP_TO = 10
"""Sessions after which a signal is taken to gather no more."""

VARIANCE_OF_RANK_IC = 1.25
LARGEST_ACCURACY = 0.25
LARGEST_LOG_LOSS_SKILL = 0.15
SMALLEST_WIDTH = 2.0
"""× mean |return|: under half of what an honest interval of 90 % measures."""

HOLDS_MOST = 0.8
ONE_WAY = 0.4
"""A share of returns above 0 this far from one half: they nearly all go one way."""

OUTCOMES_TO_ACCUSE = 5
"""That do not overlap: of fewer, an interval is no interval."""

_ERRORS = {
    "mae_return": "error of the forecast return",
    "mae_price": "error of the forecast price",
    "mape_price": "relative error of the forecast price",
}


@dataclass(frozen=True)
class Impossible:
    """One figure beyond its limit: a clause that says what it is, and one what others reach."""

    metric: str
    found: str
    limit: str
    horizon: int = 1


def impossible_figures(
    rows: pd.DataFrame, planted_strength: float | None = None
) -> list[Impossible]:
    """The figures beyond what an honest forecast can reach, nearest horizon first.

    Parameters
    ----------
    rows
        Of one model, version and window, as in `tables.EVALUATION`: every horizon there is. A
        figure that is missing accuses nobody.
    planted_strength
        Of a simulated market; None: real prices, or not known.
    """
    planted = 0.0 if planted_strength is None else planted_strength
    largest = max(LARGEST_RANK_IC, planted + BEYOND_PLANTED)
    up = rows[rows["metric"] == "directional_accuracy"].sort_values("horizon")["naive_value"]
    is_one_way = bool((up.head(1) - 0.5).abs().gt(ONE_WAY).any())
    found = []
    for horizon, of_horizon in rows.groupby("horizon", sort=True):
        h = int(str(horizon))
        figures = of_horizon.set_index("metric")
        if _sessions_spanned(figures) < OUTCOMES_TO_ACCUSE * h:
            continue
        limit = largest * np.sqrt(min(h, GATHERS_UP_TO))
        found += _of_the_order(figures, limit, h) + _of_actions(figures, h)
        if not is_one_way:
            found += _of_errors(figures, limit, h) + _of_the_width(figures, limit, h)
    return found


def _sessions_spanned(rows: pd.DataFrame) -> int:
    """From the first measured session to the last: of far horizons only every fifth is measured."""
    first, last = rows["first_session"].min(), rows["last_session"].max()
    return len(sessions_between(pd.Timestamp(first).date(), pd.Timestamp(last).date()))


def _of_the_order(rows: pd.DataFrame, largest: float, h: int) -> list[Impossible]:
    found = []
    for name, against in (("rank_ic", "tradable"), ("rank_ic_next_close", "next session's")):
        if _at_least(rows, name) > largest:
            against = against if h == 1 or name == "rank_ic" else "same sessions'"
            ic = f"its rank IC against the {against} return{_ahead(h)} is {_figure(rows, name):.3f}"
            found.append(Impossible(name, ic, f"no honest one is beyond {largest:.2f}", h))
    always_up = _figure(rows, "directional_accuracy", "naive_value")
    if _at_least(rows, "directional_accuracy", 0.5) > abs(always_up - 0.5) + largest / 2:
        share = _percent(_figure(rows, "directional_accuracy"))
        right = f"it calls {share} of directions{_ahead(h)} right"
        limit = f"saying that all rise calls {_percent(always_up)}"
        found.append(Impossible("directional_accuracy", right, limit, h))
    most = VARIANCE_OF_RANK_IC * largest**2
    if _figure(rows, "r2_return", "low") > most:
        explained = _percent(_figure(rows, "r2_return"))
        share = f"it explains {explained} of the returns' variance{_ahead(h)}"
        limit = f"no honest forecast reaches {_percent(most)}"
        found.append(Impossible("r2_return", share, limit, h))
    return found


def _of_errors(rows: pd.DataFrame, largest: float, h: int) -> list[Impossible]:
    """The skill of an error is 1 - it / the best one's without a model: its low end is kindest."""
    most = 1 - _left(largest)
    found = []
    for name, words in _ERRORS.items():
        if _figure(rows, name, "skill_low") > most:
            less = _percent(_figure(rows, name, "skill"))
            said = f"its {words}{_ahead(h)} is {less} below the best without a model"
            found.append(Impossible(name, said, f"no honest one is {_percent(most)} below", h))
    return found


def _of_the_width(rows: pd.DataFrame, largest: float, h: int) -> list[Impossible]:
    move = _figure(rows, "mae_return", "naive_value")
    narrowest = SMALLEST_WIDTH * _left(largest)
    is_narrow = _figure(rows, "interval_width", "high") < narrowest * move
    if not (is_narrow and _figure(rows, "interval_coverage", "low") > HOLDS_MOST):
        return []
    width, held = _figure(rows, "interval_width"), _figure(rows, "interval_coverage")
    said = f"its intervals{_ahead(h)} are {width / move:.2f} mean moves wide and hold"
    limit = f"honest ones that hold as many are wider than {narrowest:.1f}"
    return [Impossible("interval_width", f"{said} {_percent(held)}", limit, h)]


def _of_actions(rows: pd.DataFrame, h: int) -> list[Impossible]:
    found = []
    majority = _figure(rows, "accuracy", "naive_value")
    if _figure(rows, "accuracy", "low") - majority > LARGEST_ACCURACY * (1 - majority):
        right = f"{_percent(_figure(rows, 'accuracy'))} of its actions are right"
        always = f"saying the commonest one always is right in {_percent(majority)}"
        found.append(Impossible("accuracy", right, always, h))
    prior = _figure(rows, "log_loss", "naive_value")
    if _figure(rows, "log_loss", "high") < (1 - LARGEST_LOG_LOSS_SKILL) * prior:
        loss = f"its log-loss is {_figure(rows, 'log_loss'):.3f}"
        found.append(Impossible("log_loss", loss, f"the class frequencies have {prior:.3f}", h))
    return found


def _left(largest: float) -> float:
    """Of an error's size, what a forecast leaves that explains as much as the limit allows."""
    return float(np.sqrt(max(0.0, 1 - VARIANCE_OF_RANK_IC * largest**2)))


def _ahead(h: int) -> str:
    return "" if h == 1 else f" over {h} sessions"


def _figure(rows: pd.DataFrame, metric: str, column: str = "value") -> float:
    """NaN where it was not measured: every comparison with it is false."""
    return float(rows[column].get(metric, np.nan))


def _at_least(rows: pd.DataFrame, metric: str, nothing: float = 0.0) -> float:
    """How far the nearer end of the interval is from what knows nothing; negative: it is inside."""
    low, high = _figure(rows, metric, "low"), _figure(rows, metric, "high")
    return max(low - nothing, nothing - high)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
