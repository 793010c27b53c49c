"""The simulated market as files in a folder, completed session by session as B3 publishes.

The project's default source: what lies there is read by the same reader as B3's own files.
"""

import json
import os
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market.cotahist_name import period_of
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.market.simulated_market import SimulatedMarket

MARKET_FILE = "market.json"
ACTIONS_FILE = "corporate_actions.csv"

FORMAT_VERSION = 1
"""Raise it when the same settings make another history, so that two do not mix in a folder."""


def complete_files(folder: Path, market: SimulatedMarket, last: date) -> list[Path]:
    """Bring a folder up to session `last`, as B3 publishes; the files written, in order.

    Finished years are one COTAHIST_A file each, finished months of the running year one
    COTAHIST_M, sessions of the running month one COTAHIST_D; a year or month is finished when
    `last` is not before its last session. The header's date is the file's last session.
    `corporate_actions.csv` lists the events up to `last`, `market.json` the market's settings.

    A market file that exists is never touched, nor one written for days that another file of the
    folder covers: a folder completed day by day keeps its daily files beside the monthly ones,
    and an earlier `last` writes nothing.

    Raises
    ------
    SettingsError
        If the folder holds another market, or `last` lies before the market's first session.
    """
    simulation = market.simulate(last)
    folder.mkdir(parents=True, exist_ok=True)
    written = _claim(folder, market)
    covered = [period_of(path) for path in sorted(folder.glob("COTAHIST_*"))]
    for path, first, final in _periods(folder, simulation.sessions):
        if any(period.first <= first and final <= period.last for period in covered):
            continue
        write_cotahist(simulation.records_between(first, final), path, generated_on=final)
        written.append(path)
    return written + _complete_actions(folder, simulation.corporate_actions)


def _periods(folder: Path, sessions: np.ndarray) -> Iterator[tuple[Path, date, date]]:
    """Every file due by the last of `sessions`: its path, its first and its last session."""
    days: list[date] = sessions.tolist()
    for year, of_year in groupby(days, lambda day: day.year):
        of_year = list(of_year)
        if _is_finished(days[-1], date(year, 12, 31)):
            yield folder / f"COTAHIST_A{year}.ZIP", of_year[0], of_year[-1]
            continue
        for month, of_month in groupby(of_year, lambda day: day.month):
            of_month = list(of_month)
            if _is_finished(days[-1], date(year, month, monthrange(year, month)[1])):
                yield folder / f"COTAHIST_M{month:02d}{year}.ZIP", of_month[0], of_month[-1]
                continue
            for day in of_month:
                yield folder / f"COTAHIST_D{day:%d%m%Y}.ZIP", day, day


def _is_finished(last: date, end: date) -> bool:
    """Whether no session follows `last` up to `end`."""
    return len(sessions_between(last + timedelta(days=1), end)) == 0


def _claim(folder: Path, market: SimulatedMarket) -> list[Path]:
    """Make the folder this market's, or refuse one that is not."""
    path = folder / MARKET_FILE
    settings = {"format_version": FORMAT_VERSION, **asdict(market)}
    if not path.exists():
        if any(folder.glob("COTAHIST_*")):
            raise SettingsError(
                f"{folder} holds COTAHIST files but no {MARKET_FILE}, so they are of another"
                " source; simulate into a folder of its own"
            )
        return _write(path, json.dumps(settings, indent=2) + "\n")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(
            f"{path} should be a JSON object that says of which market the folder's files are;"
            " remove the folder and simulate it anew"
        )
    differences = [
        f"{name} {found.get(name)} instead of {wanted}"
        for name, wanted in settings.items()
        if found.get(name) != wanted
    ]
    if differences:
        raise SettingsError(
            f"{folder} holds a simulated market with {', '.join(differences)}: two markets cannot"
            " share a folder. Go back to the settings it was made with, or choose or empty a"
            " folder for the new ones"
        )
    return []


def _complete_actions(folder: Path, corporate_actions: pd.DataFrame) -> list[Path]:
    """Write the list of events, unless the folder's says the same, or the same and later ones."""
    path = folder / ACTIONS_FILE
    text = corporate_actions.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n")
    if path.exists() and path.read_bytes().startswith(text.encode()):
        return []
    return _write(path, text)


def _write(path: Path, text: str) -> list[Path]:
    """Put a text in its place in one step, so that nobody ever reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.write_bytes(text.encode())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return [path]
