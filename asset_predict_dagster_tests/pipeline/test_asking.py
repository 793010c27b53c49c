"""Asked by name, or about quotes of one's own, a model says what the ledger says of the same."""

import pandas as pd
import pytest

from asset_predict_dagster import B3Model
from asset_predict_dagster.errors import (
    DatasetError,
    MarketDataError,
    NoChampionError,
    RegistryError,
    SettingsError,
    TableError,
)
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.tables import EVALUATION, PREDICTIONS, QUOTES
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace

MODELS = ("random_forest", "lstm")


@pytest.fixture(scope="module")
def model(finished: Workplace) -> B3Model:
    return B3Model(finished.settings)


@pytest.fixture(scope="module")
def ledger(finished: Workplace) -> pd.DataFrame:
    return finished.lake.read(PREDICTIONS)


@pytest.fixture(scope="module")
def quotes(finished: Workplace) -> pd.DataFrame:
    return finished.lake.read(QUOTES)


def said_in(ledger: pd.DataFrame, of_model: str, tickers: list[str], last: int) -> pd.DataFrame:
    rows = ledger[(ledger["model"] == of_model) & (ledger["horizon"] <= last)]
    parts = [rows[rows["ticker"] == ticker].sort_values("horizon") for ticker in tickers]
    return pd.concat(parts, ignore_index=True).drop(columns="created_at")


def as_in_ledger(said: pd.DataFrame) -> pd.DataFrame:
    return said[PREDICTIONS.column_names].drop(columns="created_at")


def one_more(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    return pd.concat([rows, rows[-1:].assign(session=pd.Timestamp(day))])


@pytest.mark.parametrize("of_model", MODELS)
def test_a_ticker_is_answered_as_the_ledger_has_it(model: B3Model, ledger, of_model):
    forecast, refused = (
        ledger.loc[has_reason, "ticker"].iloc[0]
        for has_reason in (ledger["reason"] == "", ledger["reason"] == "illiquid")
    )
    said = model.predict([refused.lower(), f"{forecast}.SA"], of_model, days_ahead=7)
    assert len(said) == 14
    expected = said_in(ledger, of_model, [refused, forecast], 7)
    pd.testing.assert_frame_equal(as_in_ledger(said), expected)
    (task,) = said[["action_horizon", "label", "scope"]].drop_duplicates().itertuples(index=False)
    assert tuple(task) == (1, "forward_return", "")


@pytest.mark.parametrize("of_model", MODELS)
def test_own_quotes_that_are_the_lakes_are_answered_as_the_lakes(
    model: B3Model, ledger, quotes, of_model
):
    """The rest of the market stands beside one ticker: its ranks are those of the whole."""
    ticker = ledger.loc[ledger["reason"] == "", "ticker"].iloc[0]
    given = quotes[quotes["ticker"] == ticker].sample(frac=1, random_state=1).assign(note="mine")
    said = model.predict(given, of_model, days_ahead=3)
    expected = said_in(ledger, of_model, [ticker], 3)
    pd.testing.assert_frame_equal(as_in_ledger(said), expected)
    assert set(said["action_horizon"]) == {1}


def test_another_close_is_another_answer(model: B3Model, ledger, quotes):
    ticker = ledger.loc[ledger["reason"] == "", "ticker"].iloc[0]
    given = quotes[quotes["ticker"] == ticker].reset_index(drop=True)
    prices = ["close", "adjusted_close", "high", "adjusted_high"]
    given.loc[given.index[-1], prices] *= 1.2
    said = model.predict(given, days_ahead=1).iloc[0]
    was = said_in(ledger, "random_forest", [ticker], 1).iloc[0]
    assert said["last_close"] == pytest.approx(1.2 * was["last_close"])
    assert said["expected_return"] != was["expected_return"]


def test_a_champion_by_its_number_is_the_champion(model: B3Model, ledger):
    ticker = ledger["ticker"].iloc[0]
    by_number = model.predict(ticker, version=1).drop(columns="created_at")
    pd.testing.assert_frame_equal(by_number, model.predict(ticker).drop(columns="created_at"))


def test_late_quotes_are_answered_with_the_same_targets_and_too_late_ones_not(
    finished: Workplace, ledger
):
    ticker = ledger.loc[ledger["reason"] == "", "ticker"].iloc[0]

    def ask(n_late: int) -> pd.DataFrame:
        later = finished.settings.model_copy(update={"as_of": session_after(AS_OF, n_late)})
        return B3Model(later).predict(ticker, days_ahead=2)

    said = ask(2)
    assert list(said["horizon"]) == [3, 4]
    assert list(said["sessions_late"]) == [2, 2]
    assert set(said["reason"]) == {"late_data"}
    assert said["target_session"].iloc[0].date() == session_after(AS_OF, 3)
    with pytest.raises(MarketDataError, match="6 sessions behind the last closed one"):
        ask(6)


def test_who_has_learned_from_what_came_next_is_not_asked(model: B3Model, quotes):
    with pytest.raises(RegistryError, match="would be hindsight"):
        model.predict(quotes[quotes["session"] <= "2020-06-30"])


def test_an_unknown_ticker_is_refused_with_near_names(model: B3Model, quotes):
    ticker = quotes["ticker"].iloc[0]
    with pytest.raises(SettingsError, match=f"did you mean {ticker}"):
        model.predict(f"{ticker[:-1]}9")
    with pytest.raises(SettingsError, match="a ticker such as PETR4 was expected"):
        model.predict(" ")
    with pytest.raises(SettingsError, match="days_ahead is 1 to 30 sessions; found 31"):
        model.predict(ticker, days_ahead=31)


def test_a_paper_of_a_kind_that_is_not_forecast_is_refused_with_the_kind(
    finished: Workplace, tmp_path
):
    """Nothing of it is in the ledger; the lake knows its kind."""
    from asset_predict_dagster.tables import UNIVERSE
    from asset_predict_dagster_tests.pipeline.shell import copy_of

    place = copy_of(finished, tmp_path)
    universe = place.lake.read(UNIVERSE)
    ticker = universe["ticker"].iloc[-1]
    mine = universe["ticker"] == ticker
    universe.loc[mine, ["asset_class", "reason", "in_universe"]] = ["bdr", "asset_class", False]
    place.lake.write(UNIVERSE, universe)
    with pytest.raises(SettingsError, match="it is a paper of the kind bdr"):
        B3Model(place.settings).predict(ticker)
    place.lake.write(UNIVERSE, universe[~mine])
    with pytest.raises(TableError, match="are of different runs"):
        B3Model(place.settings).predict(ticker)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda rows: rows.drop(columns="close"), TableError, r"missing columns \['close'\]"),
        (lambda rows: rows[:0], DatasetError, "there is none"),
        (lambda rows: pd.concat([rows, rows[-1:]]), TableError, "rows repeat another's"),
        (lambda rows: one_more(rows, "2021-01-04"), DatasetError, "ranks among so few are not"),
        (lambda rows: one_more(rows, "2021-01-03"), DatasetError, "B3 did not trade on 1 of the"),
    ],
)
def test_own_quotes_that_cannot_be_answered_are_refused(
    model: B3Model, quotes, change, error, says
):
    rows = quotes[quotes["ticker"] == quotes["ticker"].iloc[0]]
    with pytest.raises(error, match=says):
        model.predict(change(rows))


def test_without_a_champion_it_says_what_to_do(tmp_path):
    from asset_predict_dagster.settings import load_settings

    empty = B3Model(load_settings(data=tmp_path))
    with pytest.raises(NoChampionError, match="has no champion yet; run `asset-predict pipeline`"):
        empty.predict("PETR4")
    with pytest.raises(RegistryError, match="there is no registry"):
        empty.evaluate()
    assert list(tmp_path.iterdir()) == []


def test_the_figures_are_those_of_the_evaluation(model: B3Model, finished: Workplace):
    found = model.evaluate("lstm")
    table = finished.lake.read(EVALUATION)
    mine = table[(table["model"] == "lstm") & (table["window"] == "holdout")]
    pd.testing.assert_frame_equal(found, mine.reset_index(drop=True))
    assert {"rank_ic", "log_loss", "r2_price"} <= set(found["metric"])
    with pytest.raises(RegistryError, match="'lstm' has no version 9"):
        model.evaluate("lstm", version=9)
