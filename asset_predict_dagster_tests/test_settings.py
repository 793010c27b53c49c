"""Every knob comes from the environment once, and a bad value is one clear sentence."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.settings import Settings, load_settings

VARIABLES = [field.alias for field in Settings.model_fields.values() if field.alias]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No knob of whoever runs the tests reaches them."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_any_setting_the_market_is_simulated_under_data():
    settings = load_settings()
    assert settings.source == "simulated"
    assert settings.landing == Path("data/landing/simulated")
    assert settings.lake_root == str(Path("data/lake"))
    assert settings.bundles == Path("data/bundles")
    assert settings.registry_database == Path("data/mlflow.db")
    assert settings.warehouse == Path("data/warehouse.duckdb")
    assert settings.as_of is None
    assert (settings.seed, settings.signal_strength) == (42, 0.08)
    assert (settings.daily_task_hour, settings.model_stale_after_days) == (3, 15)


def test_each_variable_of_the_environment_is_read(monkeypatch):
    for name, value in {
        "ASSET_PREDICT_DATA": "elsewhere",
        "ASSET_PREDICT_LAKE": "s3://bucket/lake",
        "ASSET_PREDICT_SOURCE": "cotahist",
        "ASSET_PREDICT_COTAHIST_FOLDER": "files",
        "ASSET_PREDICT_SIGNAL_STRENGTH": "0",
        "ASSET_PREDICT_AS_OF": "2024-02-26",
        "SEED": "7",
        "DAILY_TASK_HOUR": "9",
        "MODEL_STALE_AFTER_DAYS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.landing == Path("files")
    assert settings.lake_root == "s3://bucket/lake"
    assert settings.warehouse == Path("elsewhere/warehouse.duckdb")
    assert settings.as_of == date(2024, 2, 26)
    assert (settings.seed, settings.signal_strength) == (7, 0.0)
    assert (settings.daily_task_hour, settings.model_stale_after_days) == (9, 1)


def test_no_knob_is_without_a_variable():
    assert len(VARIABLES) == len(Settings.model_fields)


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert load_settings() == Settings()


def test_what_the_caller_says_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("SEED", "7")
    assert load_settings(seed=8).seed == 8


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ASSET_PREDICT_SOURCE", "yahu", "'simulated', 'cotahist', 'yahoo' or 'duckdb'"),
        ("ASSET_PREDICT_SIGNAL_STRENGTH", "0.51", "less than or equal to 0.5"),
        ("ASSET_PREDICT_SIGNAL_STRENGTH", "-0.01", "greater than or equal to 0"),
        ("ASSET_PREDICT_SIGNAL_STRENGTH", "nan", "less than or equal to 0.5"),
        ("ASSET_PREDICT_AS_OF", "26/02/2024", "valid date"),
        ("ASSET_PREDICT_AS_OF", "2024-02-30", "valid date"),
        ("SEED", "-1", "greater than or equal to 0"),
        ("SEED", str(2**32), "less than 4294967296"),
        ("SEED", "1.5", "valid integer"),
        ("DAILY_TASK_HOUR", "10", "an hour from 0 to 9 was expected: B3 opens at 10:00"),
        ("DAILY_TASK_HOUR", "-1", "an hour from 0 to 9"),
        ("MODEL_STALE_AFTER_DAYS", "0", "greater than or equal to 1"),
        ("ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS", "0", "greater than or equal to 1"),
        ("ASSET_PREDICT_TICKERS", "PETR4,PETRO", "such as PETR4 were expected, not PETRO"),
        ("ASSET_PREDICT_ASSET_CLASSES", "etf,gold", "common, .* was expected, not gold"),
        ("ASSET_PREDICT_MAX_REJECTED_SHARE", "1.1", "less than or equal to 1"),
        ("ASSET_PREDICT_STALE_PRICE_SESSIONS", "1", "greater than or equal to 2"),
        ("ASSET_PREDICT_UNEXPLAINED_JUMP", "0", "greater than 0"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_is_allowed(
    monkeypatch, name, value, message
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}='{value}'.*{message}") as refusal:
        load_settings()
    assert "\n" not in str(refusal.value)


def test_two_bad_values_are_both_named(monkeypatch):
    monkeypatch.setenv("SEED", "many")
    monkeypatch.setenv("DAILY_TASK_HOUR", "noon")
    with pytest.raises(SettingsError, match=r"SEED='many'.*; DAILY_TASK_HOUR='noon'"):
        load_settings()


def test_files_of_b3_need_their_folder(monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_SOURCE", "cotahist")
    with pytest.raises(SettingsError, match=r"^ASSET_PREDICT_SOURCE=cotahist needs ASSET_PRED"):
        load_settings()


def test_downloads_need_no_folder_to_be_named(monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_SOURCE", "cotahist")
    monkeypatch.setenv("ASSET_PREDICT_DOWNLOAD", "true")
    assert load_settings().landing == Path("data/landing/cotahist")


@pytest.mark.parametrize(("stale", "expires", "is_refused"), [(15, 14, True), (15, 15, False)])
def test_a_model_does_not_expire_before_it_is_stale(monkeypatch, stale, expires, is_refused):
    assert load_settings().model_expires_after_days == 60
    monkeypatch.setenv("MODEL_STALE_AFTER_DAYS", str(stale))
    monkeypatch.setenv("ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS", str(expires))
    if is_refused:
        with pytest.raises(SettingsError, match=r"at least MODEL_STALE_AFTER_DAYS, 15, and is 14"):
            load_settings()
    else:
        assert load_settings().model_expires_after_days == 15


@pytest.mark.parametrize(
    ("variables", "needs"),
    [
        ({"ASSET_PREDICT_SOURCE": "yahoo"}, "ASSET_PREDICT_TICKERS"),
        ({"ASSET_PREDICT_SOURCE": "duckdb"}, "ASSET_PREDICT_DUCKDB"),
        ({"ASSET_PREDICT_SOURCE": "duckdb", "ASSET_PREDICT_DUCKDB": "md:b3"}, "MOTHERDUCK_TOKEN"),
    ],
)
def test_a_source_says_what_it_needs(monkeypatch, variables, needs):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"needs {needs}"):
        load_settings()


def test_codes_are_taken_as_people_type_them(monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_TICKERS", "petr4, VALE3.SA,,PETR4")
    assert load_settings().tickers == ("PETR4", "VALE3")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASSET_PREDICT_DUCKDB", "md:b3?motherduck_token=SECRET"),
        ("ASSET_PREDICT_B3_ARCHIVE", "http://user:SECRET@elsewhere/files"),
        ("ASSET_PREDICT_B3_ARCHIVE", "http://user:SEC/RET@elsewhere/SECRET"),
        ("ASSET_PREDICT_B3_ARCHIVE", "ftp://user:SECRET@elsewhere"),
        ("ASSET_PREDICT_B3_ARCHIVE", "elsewhere/SECRET"),
        ("ASSET_PREDICT_DAGSTER_URL", "http://user:SECRET@elsewhere:3000"),
        ("ASSET_PREDICT_DAGSTER_URL", "elsewhere:SECRET"),
    ],
)
def test_an_address_that_may_hold_a_secret_is_refused_without_being_repeated(
    monkeypatch, name, value
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refusal:
        load_settings()
    assert "SECRET" not in str(refusal.value)


def test_origins_are_listed_with_commas(monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_CORS_ORIGINS", "https://a.site, http://localhost:8000")
    assert load_settings().cors_origins == ("https://a.site", "http://localhost:8000")


@pytest.mark.parametrize("origin", ["*", "a.site", "https://a.site/", "https://user@a.site"])
def test_an_origin_that_is_not_one_is_refused(monkeypatch, origin):
    monkeypatch.setenv("ASSET_PREDICT_CORS_ORIGINS", origin)
    with pytest.raises(SettingsError, match=r"^ASSET_PREDICT_CORS_ORIGINS=.*each of them named"):
        load_settings()


def test_a_token_is_not_shown(monkeypatch):
    monkeypatch.setenv("MOTHERDUCK_TOKEN", "secret-token")
    settings = load_settings()
    assert "secret-token" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_an_unknown_knob_is_refused():
    with pytest.raises(SettingsError, match="sede"):
        load_settings(sede=3)


def test_settings_do_not_change_while_a_process_runs():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().seed = 1
