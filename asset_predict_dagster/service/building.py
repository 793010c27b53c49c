"""Building: a snapshot from one state of the lake. It runs in a process of its own (`child.py`)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.errors import (
    AssetPredictError,
    BundleError,
    MarketDataError,
    RegistryError,
    TableError,
)
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after, sessions_between
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.predictions.daily import Serving
from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.predictions.roster import Roster
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS
from asset_predict_dagster.predictions.symbols import NearNames
from asset_predict_dagster.registry.registered import registered_versions
from asset_predict_dagster.service.papers import Market, papers_of
from asset_predict_dagster.service.redaction import Places, without_paths
from asset_predict_dagster.service.served import Serves, versions_of
from asset_predict_dagster.service.snapshot import HISTORY, Paper, Snapshot, State, Version
from asset_predict_dagster.service.state import look
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FOLDS,
    PATH_HORIZONS,
    PROMOTIONS,
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
    first champions. A model that was trained longer ago than `expires_after` says nothing. Quotes
    after the last closed session (the clock was moved back, or a file came before the close) are
    not looked at, and no version is asked that has learned from them.

    Raises
    ------
    AssetPredictError
        If a table or a bundle cannot be read, a run is just writing the tables, or all quotes are
        of later sessions.
    """
    lake = Lake(places.lake_root)
    papers: Mapping[str, Paper] = {}
    versions: Mapping[str, Version] = {}
    hindsight: Mapping[str, str] = {}
    first, session, passed_over = None, None, ()
    if _are_made(state, _TABLES_OF_THE_MARKET):
        first, session, newest = _span(lake, state)
        serving, passed_over, hindsight = _serving(lake, places, state, session)
        market = _market(lake, state, session, serving)
        # Where the clock hides nothing, tables are half made, and those before serve on.
        is_told = bool(hindsight) and newest > session and not passed_over
        if not serving and _are_made(state, (CHAMPIONS,)) and not is_told:
            raise _nobody_answers(session, passed_over)
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
            "trained": _are_made(state, (CHAMPIONS,)),
        },
        passed_over=passed_over,
        first_session=first,
        hindsight=hindsight,
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
    bundle = load_bundle(places.bundles, known.bundle)
    trained_at = datetime.fromisoformat(known.trained_at)
    asked = [Serves(Serving(model, version, "unproven", bundle, trained_at), known, False)]
    _, session, _ = _span(lake, state)
    market = _market(lake, state, session, asked)
    late = _forecast_late(session, state)
    (found,) = versions_of(lake, places, state, asked, market, late, expires_after)
    return found


def _are_made(state: State, tables: tuple[Table, ...]) -> bool:
    return all(state.versions[table.name] is not None for table in tables)


def _market(lake: Lake, state: State, last: date, serving: Sequence[Serves]) -> Market:
    """The quotes of the year up to `last`, and all that is known of the sessions models look at."""
    lookback = max((one.serving.bundle.card["lookback"] for one in serving), default=1)
    # Holes in the history would leave fewer sessions than a model looks back on.
    n_recent = max(RECENT_SESSIONS, lookback) + 10
    days = [
        day.astype(date)
        for day in sessions_between(date(last.year - 2, 1, 1), last)[-max(HISTORY, n_recent) :]
    ]
    recent = days[-n_recent:]
    # What one of them lacks of later sessions shows that they are of different runs.
    later = [session_after(last, n) for n in range(1, 11)]
    year = lake.read(QUOTES, version=state.versions[QUOTES.name], where={"session": days + later})
    is_recent = (year["session"] >= pd.Timestamp(recent[0])).to_numpy()
    quotes = year[is_recent].reset_index(drop=True)
    universe, features = (
        lake.read(table, version=state.versions[table.name], where={"session": recent + later})
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
    tables = (
        table[table["session"] <= pd.Timestamp(last)].reset_index(drop=True)
        for table in (year, quotes, universe, features)
    )
    return Market(*tables)


def _span(lake: Lake, state: State) -> tuple[date, date, date]:
    """The first session that is quoted, the last of those that have closed, and the last of all.

    From the notes on the files if they say so.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = lake.delta(QUOTES.name, state.versions[QUOTES.name])
    files = pa.table(stored.get_add_actions(flatten=True))
    noted = ("min.session", "max.session")
    if all(name in files.column_names and files[name].null_count == 0 for name in noted):
        firsts, lasts = (files[name] for name in noted)
    else:
        firsts = lasts = stored.to_pyarrow_table(columns=["session"])["session"]
    first, last = pc.min(firsts).as_py(), pc.max(lasts).as_py()
    if last is None:
        raise TableError("quotes has no row; give it market files and run complete_pipeline")
    closed, newest = state.last_closed, last
    if first > closed:
        raise MarketDataError(
            f"there are no quotes up to {closed}, the first are of {first}; give it market files"
            " of earlier sessions, or correct ASSET_PREDICT_AS_OF"
        )
    if newest > closed:
        sessions = stored.to_pyarrow_table(columns=["session"])["session"].cast(pa.date32())
        last = pc.max(sessions.filter(pc.less_equal(sessions, closed))).as_py()
    return first, last, newest


def _serving(
    lake: Lake, places: Places, state: State, session: date
) -> tuple[list[Serves], tuple[str, ...], dict[str, str]]:
    """Who is asked at the close of a session, as the table `predictions` is made.

    Then, in words, who cannot be opened, and of each model without an answer whose champion knows
    of later sessions, that it does.
    """
    if not _are_made(state, (CHAMPIONS,)):
        return [], (), {}
    champions = lake.read(CHAMPIONS, version=state.versions[CHAMPIONS.name])
    promotions = None
    if _are_made(state, (PROMOTIONS,)):
        promotions = lake.read(PROMOTIONS, version=state.versions[PROMOTIONS.name])
    roster = Roster(
        promotions, champions, partial(load_bundle, places.bundles), report=lambda _: None
    )
    asked = roster.at(session)
    registered = registered_versions(places.registry_database)
    today = set(zip(champions["model"], champions["model_version"], strict=True))
    found = [
        Serves(one, registered.get((one.model, one.version)), (one.model, one.version) in today)
        for one in asked
    ]
    answering = {one.model for one in asked}
    hindsight = {
        row.model: f"{row.model} {row.model_version} has learned from sessions up to {until}, so"
        f" what it says at the close of {session} would be hindsight; run complete_pipeline or"
        " retrain as of that session, or correct ASSET_PREDICT_AS_OF"
        for row in champions.itertuples()
        if row.model not in answering
        and (until := learned_until(row.training_end.date())) > session
    }
    return found, tuple(without_paths(said, places) for said in roster.passed_over), hindsight


def _nobody_answers(session: date, passed_over: tuple[str, ...]) -> AssetPredictError:
    if passed_over:
        return BundleError(f"no model can answer; {'; '.join(passed_over)}")
    return RegistryError(
        f"every version that serves or served has learned from sessions after {session}, so what"
        " it says at its close would be hindsight; run complete_pipeline or retrain"
    )


def _forecast_late(session: date, state: State) -> int:
    """By how many sessions a forecast may say that it is late; beyond, nobody is told it."""
    return min(_sessions_late(session, state.last_closed), MOST_LATE)


def _sessions_late(session: date | None, last_closed: date) -> int:
    if session is None or session >= last_closed:
        return 0
    return int(np.count_nonzero(sessions_between(session, last_closed) > np.datetime64(session)))
