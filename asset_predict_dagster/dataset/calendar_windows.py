"""Windows of the calendar: the quarters, half-years and years that a walk-forward tests.

2018Q1 … 2018Q4   steps of 3 months
2018H1, 2018H2    steps of 6
2018              steps of 12
"""

import calendar
import re
from datetime import date

from asset_predict_dagster.errors import SettingsError

STEPS = {3: "Q", 6: "H", 12: ""}
"""Months of a step → the letter in the names of its windows."""

HALF_YEAR = 6

_NAME = re.compile(r"(\d{4})(?:([HQ])(\d))?")


def window_tests(step_months: int, first: date, last: date) -> dict[str, tuple[date, date]]:
    """The windows from the one that holds `first` to the one that holds `last`.

    Name → first and last day, in the order of time, as `walk_forward_splits.walk_forward` takes
    them. No day is in two of them.

    Raises
    ------
    SettingsError
        If the step is not 3, 6 or 12 months, or `last` is before `first`.

    Examples
    --------
    >>> list(window_tests(6, date(2018, 5, 2), date(2019, 1, 1)))
    ['2018H1', '2018H2', '2019H1']
    >>> window_tests(3, date(2024, 2, 1), date(2024, 2, 1))
    {'2024Q1': (datetime.date(2024, 1, 1), datetime.date(2024, 3, 31))}
    """
    if last < first:
        raise SettingsError(f"the last day to test, {last}, is before the first one, {first}")
    start, end = (window_of(day, step_months) for day in (first, last))
    names = [
        _named(year, place, step_months)
        for year in range(first.year, last.year + 1)
        for place in range(1, 12 // step_months + 1)
    ]
    return {name: window_days(name) for name in names if start <= name <= end}


def window_of(day: date, step_months: int) -> str:
    """The window that holds the day.

    >>> [window_of(date(2018, 7, 1), months) for months in (3, 6, 12)]
    ['2018Q3', '2018H2', '2018']
    """
    if step_months not in STEPS:
        raise SettingsError(f"steps of 3, 6 or 12 months were expected, not {step_months}")
    return _named(day.year, (day.month - 1) // step_months + 1, step_months)


def window_days(name: str) -> tuple[date, date]:
    """The first and the last day of a window.

    Raises
    ------
    SettingsError
        If it is not the name of one.

    Examples
    --------
    >>> window_days("2018H1")
    (datetime.date(2018, 1, 1), datetime.date(2018, 6, 30))
    """
    found = _NAME.fullmatch(name)
    months = step_of(name)
    if found is None or months is None:
        raise SettingsError(
            f"'{name}' is no window of the calendar; 2018H1, 2018Q1 or 2018 was expected"
        )
    year, place = int(found[1]), int(found[3] or 1)
    last_month = place * months
    last_day = calendar.monthrange(year, last_month)[1]
    return date(year, last_month - months + 1, 1), date(year, last_month, last_day)


def day_asked(text: str, *, is_last: bool) -> date:
    """A day as people write it, or the first or last day of a window.

    Raises
    ------
    SettingsError
        If it is neither.

    Examples
    --------
    >>> day_asked("2018-02-28", is_last=True), day_asked("2018Q1", is_last=True)
    (datetime.date(2018, 2, 28), datetime.date(2018, 3, 31))
    """
    if step_of(text) is not None:
        return window_days(text)[1 if is_last else 0]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"'{text}' is neither a day such as 2018-01-31 nor a window such as 2018H1"
        ) from None


def step_of(name: str) -> int | None:
    """Months of the steps that a window is one of; None if it is no window of the calendar.

    >>> [step_of(name) for name in ("2018H2", "2018Q4", "2018", "2018H3", "holdout")]
    [6, 3, 12, None, None]
    """
    found = _NAME.fullmatch(name)
    if found is None or int(found[1]) == 0:
        return None
    months = next(months for months, letter in STEPS.items() if letter == (found[2] or ""))
    return months if 1 <= int(found[3] or 1) <= 12 // months else None


def _named(year: int, place: int, step_months: int) -> str:
    letter = STEPS[step_months]
    return f"{year:04d}{letter}{place}" if letter else f"{year:04d}"
