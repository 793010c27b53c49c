"""Trainings: what a request asks for becomes the run config of a model, or a refusal in words."""

from collections.abc import Mapping
from typing import Any

from asset_predict_dagster.errors import SettingsError, SettingTypeError
from asset_predict_dagster.models.settings import (
    IGNORED,
    PRESET,
    Asked,
    asked_settings,
    names_of,
    our_name,
)
from asset_predict_dagster.service.answers import paper_of
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.snapshot import Snapshot
from asset_predict_dagster.settings import Settings

SIZES = ("test_size", "val_size")
SIZE_TAG = "asset_predict/{}"
"""Tags of a split: the shares that it was asked for, which the next training takes."""

_LONGEST = 400
"""Characters of a refusal: it quotes what was sent, which may be long."""


def asked_for(settings: Settings, now: Snapshot, model: str, written: Mapping[str, Any]) -> Asked:
    """What a request asks of a training; what it names is there.

    Raises
    ------
    ApiError
        400 if a setting is unknown or of another type; 422 if one is out of range or contradicts
        another; 404 if there is no such ticker.
    """
    known = {*names_of(model), *IGNORED, PRESET}
    if not isinstance(written.get(PRESET, ""), str):
        raise ApiError(400, "malformed", f"{PRESET} should be text: the name of a preset")
    unknown = [name for name in written if name not in known and our_name(name) not in known]
    try:
        asked = asked_settings(
            model, written, presets=settings.data / "presets", seed=settings.seed
        )
    except SettingsError as refusal:
        said = str(refusal)
        said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
        if unknown:
            shown = [name[:_LONGEST] for name in unknown[:10]]
            raise ApiError(400, "malformed", said, {"unknown": shown}) from None
        if isinstance(refusal, SettingTypeError):
            raise ApiError(400, "malformed", said, {"model": model}) from None
        raise ApiError(422, "out_of_range", said, {"model": model}) from None
    for ticker in asked.experiment.tickers:
        paper_of(now, ticker)
    return asked


def with_quotes(now: Snapshot, asked: Asked) -> None:
    """Refuse days of which there are no quotes.

    Raises
    ------
    ApiError
        422 with the first and the last session that there are quotes of.
    """
    first, last = now.first_session, now.session
    start, end = asked.experiment.start, asked.experiment.end
    if first and last and ((start and start > last) or (end and end < first)):
        raise ApiError(
            422,
            "out_of_range",
            f"from {start or first} to {end or last} there are no quotes; they go from {first} to"
            f" {last}",
            {"first_session": str(first), "last_session": str(last)},
        )


def run_config(model: str, asked: Asked, written: Mapping[str, Any]) -> dict[str, Any]:
    """The run config of that training: what was written, as the launchpad of the UI takes it."""
    values = {**asked.experiment.model_dump(mode="json"), **asked.knobs.model_dump(mode="json")}
    names = {our_name(name) for name in written}
    config = {name: value for name, value in values.items() if name in names}
    if asked.preset is not None:
        config[PRESET] = asked.preset.name
    return {"ops": {f"{model}_model": {"config": config}}} if config else {}


def split_of(model: str) -> str:
    """The kind of a run that splits for a model.

    >>> split_of("lstm")
    'split_data lstm'
    """
    return f"split_data {model}"
