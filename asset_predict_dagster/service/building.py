"""Building: a snapshot from one state of the lake. It runs in a process of its own (`child.py`)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after, sessions_between
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS
from asset_predict_dagster.registry.registered import Registered, registered_versions
from asset_predict_dagster.service.papers import Market, papers_of
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.served import Serves, versions_of
from asset_predict_dagster.service.snapshot import HISTORY, Paper, Snapshot, State, Version
from asset_predict_dagster.service.state import look
from asset_predict_dagster.service.symbols import NearNames
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FOLDS,
    PATH_HORIZONS,
    QUOTES,
    RAW_QUOTES,
    UNIVERSE,
    Table,
)

_TABLES_OF_THE_MARKET = (QUOTES, UNIVERSE, FEATURES)


def build_current(places: Places, expires_after: timedelta, as_of: date | None) -> Snapshot:
    """`build_snapshot` of the state that the lake has now."""
    return build_snapshot(places, expires_after, look(places, as_of))


def build_snapshot(places: Places, expires_after: timedelta, state: State) -> Snapshot:
    """All that requests are answered from, as the lake was in that state.

    What has not been made yet is missing in it: papers before the features, versions before the
    first champions. A model that was trained longer ago than `expires_after` says nothing.

    Raises
    ------
    AssetPredictError
        If a table or a bundle cannot be read, or a run is just writing the tables.
    """
    lake = Lake(places.lake_root)
    serving = _champions(lake, places, state) if _are_made(state, (CHAMPIONS,)) else []
    is_made = _are_made(state, _TABLES_OF_THE_MARKET)
    market = _market(lake, state, serving) if is_made else None
    papers: Mapping[str, Paper] = {}
    versions: Mapping[str, Version] = {}
    session = None
    if market is not None:
        session = market.quotes["session"].max().date()
        papers = papers_of(market)
        asked = versions_of(
            lake, places, state, serving, market, _forecast_late(session, state), expires_after
        )
        versions = {version.model: version for version in asked}
    n_targets = len(PATH_HORIZONS)
    return Snapshot(
        state=state,
        made_at=datetime.now(UTC),
        session=session,
        sessions_late=_sessions_late(session, state.last_closed),
        targets=tuple(session_after(state.last_closed, n) for n in range(1, n_targets + 1)),
        versions=versions,
        papers=papers,
        names=NearNames.of({ticker: paper.company for ticker, paper in papers.items()}),
        has={
            "raw": state.versions[RAW_QUOTES.name] is not None,
            "processed": state.versions[FEATURES.name] is not None,
            "split": state.versions[FOLDS.name] is not None,
            "trained": bool(serving),
        },
    )


def build_version(
    places: Places, expires_after: timedelta, state: State, model: str, version: str
) -> Version | None:
    """What a version that need not be the champion says at the same moment; None: there is none.

    Raises
    ------
    AssetPredictError
        As `build_snapshot` does, and if it has learned from sessions after the one it would
        forecast.
    """
    known = registered_versions(places.registry_database).get((model, version))
    if known is None or not _are_made(state, _TABLES_OF_THE_MARKET):
        return None
    lake = Lake(places.lake_root)
    asked = [_serves(known, places, "unproven", False)]
    market = _market(lake, state, asked)
    late = _forecast_late(market.quotes["session"].max().date(), state)
    (found,) = versions_of(lake, places, state, asked, market, late, expires_after)
    return found


def _are_made(state: State, tables: tuple[Table, ...]) -> bool:
    return all(state.versions[table.name] is not None for table in tables)


def _market(lake: Lake, state: State, serving: Sequence[Serves]) -> Market:
    """The quotes of the last year, and all that is known of the sessions that models look at."""
    lookback = max((one.bundle.card["lookback"] for one in serving), default=1)
    last = _last_session(lake, state)
    # Holes in the history would leave fewer sessions than a model looks back on.
    n_recent = max(RECENT_SESSIONS, lookback) + 10
    days = [
        day.astype(date)
        for day in sessions_between(date(last.year - 2, 1, 1), last)[-max(HISTORY, n_recent) :]
    ]
    recent = days[-n_recent:]
    year = lake.read(QUOTES, version=state.versions[QUOTES.name], where={"session": days})
    is_recent = (year["session"] >= pd.Timestamp(recent[0])).to_numpy()
    quotes = year[is_recent].reset_index(drop=True)
    # What they have of later sessions shows that they are of another run.
    asked = [*recent, *(session_after(last, n) for n in range(1, 11))]
    universe, features = (
        lake.read(table, version=state.versions[table.name], where={"session": asked})
        for table in (UNIVERSE, FEATURES)
    )
    for other in (universe, features):
        if len(other) != len(quotes) or not all(
            (other[name].array == quotes[name].array).all() for name in QUOTES.key
        ):
            raise TableError(
                "quotes, universe and features are of different runs; one is being made anew, or"
                " did not come to its end: run complete_pipeline or daily_prediction"
            )
    return Market(year, quotes, universe, features)


def _last_session(lake: Lake, state: State) -> date:
    """The last session that is quoted, from the notes on the files where they say so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = lake.delta(QUOTES.name, state.versions[QUOTES.name])
    files = pa.table(stored.get_add_actions(flatten=True))
    if "max.session" in files.column_names and files["max.session"].null_count == 0:
        last = pc.max(files["max.session"]).as_py()
    else:
        last = pc.max(stored.to_pyarrow_table(columns=["session"])["session"]).as_py()
    if last is None:
        raise TableError("quotes has no row; give it market files and run complete_pipeline")
    return last


def _champions(lake: Lake, places: Places, state: State) -> list[Serves]:
    """The champions as the lake has them; the registry adds what their trainings measured."""
    table = lake.read(CHAMPIONS, version=state.versions[CHAMPIONS.name])
    registered = registered_versions(places.registry_database)
    found = []
    for row in table.itertuples():
        known = registered.get((row.model, row.model_version))
        champion = Registered(
            model=row.model,
            version=row.model_version,
            bundle=row.bundle,
            evaluation_bundle=known.evaluation_bundle if known else "",
            trained_at=row.trained_at.isoformat(),
            training_end=row.training_end.date().isoformat(),
            run_id=known.run_id if known else "",
            training_seconds=known.training_seconds if known else None,
        )
        found.append(_serves(champion, places, row.status, True))
    return found


def _serves(known: Registered, places: Places, status: str, is_champion: bool) -> Serves:
    bundle = load_bundle(places.bundles, known.bundle)
    return Serves(known, bundle, status, is_champion)


def _forecast_late(session: date, state: State) -> int:
    """By how many sessions a forecast may say that it is late; beyond, nobody is told it."""
    return min(_sessions_late(session, state.last_closed), MOST_LATE)


def _sessions_late(session: date | None, last_closed: date) -> int:
    if session is None or session >= last_closed:
        return 0
    return int(np.count_nonzero(sessions_between(session, last_closed) > np.datetime64(session)))
