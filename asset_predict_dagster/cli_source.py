"""Options about where prices come from, and the settings that they make."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from asset_predict_dagster.market.sessions import all_sessions, last_closed_session
from asset_predict_dagster.settings import Settings, Source, load_settings

_SOURCES = get_args(Source)


def _known(source: str | None) -> str | None:
    if source is not None and source not in _SOURCES:
        raise typer.BadParameter(f"there is no source {source!r}; there are {', '.join(_SOURCES)}.")
    return source


def _a_day(text: str | None) -> str | None:
    if text is not None:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no day such as 2020-01-31.") from None
    return text


def _beginning(incomplete: str) -> list[str]:
    return [name for name in _SOURCES if name.startswith(incomplete)]


SourceName = Annotated[
    str | None,
    typer.Option(
        callback=_known,
        autocompletion=_beginning,
        show_default="ASSET_PREDICT_SOURCE",
        help=f"{', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        show_default="ASSET_PREDICT_COTAHIST_FOLDER", help="Folder of B3's files (cotahist)."
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        callback=_a_day,
        metavar="DAY",
        show_default="ASSET_PREDICT_DOWNLOAD_FROM",
        help="Fetch from the year of this day on (cotahist with --download, yahoo).",
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        callback=_a_day,
        metavar="DAY",
        show_default="today",
        help="As if the last session up to this day had just closed.",
    ),
]
Download = Annotated[
    bool | None,
    typer.Option(
        "--download/--no-download",
        show_default="ASSET_PREDICT_DOWNLOAD",
        help="Fetch from B3 what the folder lacks (cotahist).",
    ),
]


@dataclass(frozen=True)
class AskedSource:
    """What was typed about the source; None stands for what was not."""

    source: str | None
    folder: Path | None
    start: str | None
    end: str | None
    download: bool | None

    def settings(self) -> Settings:
        """The environment's settings, with what was typed in their place.

        Raises
        ------
        SettingsError
            If they contradict each other.
        """
        told = {
            "source": self.source,
            "cotahist_folder": self.folder,
            "download": self.download,
            "download_from": date.fromisoformat(self.start).year if self.start else None,
            "as_of": None if self.end is None else _session_by(date.fromisoformat(self.end)),
        }
        settings = load_settings(**{name: said for name, said in told.items() if said is not None})
        of_files = {"--folder": self.folder, "--download": self.download}
        for option, said in of_files.items():
            if said and settings.source != "cotahist":
                raise typer.BadParameter(
                    f"{option} is of the source cotahist, and the source is {settings.source}."
                )
        fetches = settings.source == "yahoo" or settings.download
        if self.start and not fetches:
            raise typer.BadParameter(
                f"--start says from which year on to fetch, and the source {settings.source}"
                " fetches nothing; files are read whole. To learn from later days alone, use"
                " `train --start`."
            )
        return settings


def _session_by(day: date) -> date:
    """The last session up to a day, which has closed."""
    closed = last_closed_session(datetime.now(UTC))
    if day > closed:
        raise typer.BadParameter(
            f"--end {day} is after {closed}, the last session that has closed."
        )
    sessions = all_sessions().astype(object)
    return max(session for session in sessions if session <= day)
