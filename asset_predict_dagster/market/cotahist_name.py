"""What the name of a COTAHIST file promises: which days it covers."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from asset_predict_dagster.errors import MarketFileError

Kind = Literal["yearly", "monthly", "daily"]

_NAME = re.compile(
    r"COTAHIST_(?:A(\d{4})|M(\d{2})(\d{4})|D(\d{2})(\d{2})(\d{4}))\.(?:TXT|ZIP)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class Period:
    """The days that a file's name says it covers, `first` and `last` included."""

    kind: Kind
    first: date
    last: date


def period_of(path: Path) -> Period:
    """The days a file covers, from its name.

    Examples
    --------
    >>> period_of(Path("COTAHIST_M022016.ZIP")).last
    datetime.date(2016, 2, 29)
    """
    match = _NAME.fullmatch(path.name)
    try:
        if match is None:
            raise ValueError("not the pattern")
        year, month, month_year, day, day_month, day_year = match.groups()
        if year:
            return Period("yearly", date(int(year), 1, 1), date(int(year), 12, 31))
        if month:
            first = date(int(month_year), int(month), 1)
            next_month = (first + timedelta(days=31)).replace(day=1)
            return Period("monthly", first, next_month - timedelta(days=1))
        session = date(int(day_year), int(day_month), int(day))
        return Period("daily", session, session)
    except (ValueError, OverflowError) as error:
        raise MarketFileError(
            f"{path}: COTAHIST_A2019, COTAHIST_M012019 or COTAHIST_D02012019 with .TXT or .ZIP was"
            f" expected but the name is {path.name!r}; give the file the name B3 gave it"
        ) from error
