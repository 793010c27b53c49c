"""What the steps of `/api/b3` are asked and answer."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import MODEL_NAMES, settings_of
from asset_predict_dagster.models.settings import ALIASES, IGNORED, PRESET
from asset_predict_dagster.service.schemas.common import MODELS, Answer, LegacyAsked, ModelType

Share = Annotated[float, Field(gt=0, lt=1)]


class Started(Answer):
    """A run that goes on; ask `/status` or `/training-status` how it is getting on."""

    status: Literal["success"] = "success"
    message: str
    run_id: str


class RefusedFile(Answer):
    """A market file that was left out whole, and is tried again at each run."""

    file: str
    reason: str


class Loaded(Answer):
    """The quotes that the lake has now."""

    status: Literal["success"] = "success"
    message: str
    data_shape: list[int] = Field(description="rows and columns of `quotes`")
    columns: list[str]
    refused_files: list[RefusedFile] = Field(
        [], description="left out by this run; the key stays away where Dagster does not tell"
    )
    run_id: str


class Preprocessed(Answer):
    """The features and labels of these quotes."""

    status: Literal["success"] = "success"
    message: str
    features_shape: list[int]
    targets_shape: list[int]
    feature_columns: list[str]
    target_distribution: dict[str, float] = Field(description="share of the labelled rows")
    run_id: str


class SplitAsked(LegacyAsked):
    """Shares of the sessions that validate and test."""

    model_type: ModelType = "rf"
    test_size: Share = 0.2
    val_size: Share = 0.2

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"model_type": "rf", "test_size": 0.2, "val_size": 0.2}},
    )


class SplitAnswer(Answer):
    """Rows of each role. `/train-model` takes these shares unless it names its own."""

    status: Literal["success"] = "success"
    message: str
    train_size: int
    validation_size: int
    test_size: int
    run_id: str
    ignored: list[str] = Field([], description="keys of the request that do nothing")


class TrainAsked(BaseModel):
    """A model, and any of its settings; those that are not named have their defaults."""

    model_type: ModelType = "rf"

    model_config = ConfigDict(
        extra="allow", json_schema_extra=lambda schema: _with_settings(schema)
    )

    @model_validator(mode="after")
    def _is_text(self) -> "TrainAsked":
        try:
            json.dumps(self.model_extra, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair was sent, which is no text") from None
        return self

    @property
    def written(self) -> dict[str, Any]:
        """The settings that were sent."""
        return dict(self.model_extra or {})


class TrainingStarted(Answer):
    """A training that goes on; ask `/training-status` until it is `completed` or `failed`."""

    status: Literal["success"] = "success"
    message: str
    training_status: Literal["running"] = "running"
    model_type: str
    run_id: str
    scoped: str = Field("", description="why the version will never serve; left out if it may")
    ignored: list[str] = Field([], description="keys of the request that do nothing")


class ModelAsked(LegacyAsked):
    """A model; what is meant is its version that was trained last."""

    model_type: ModelType = "rf"

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"model_type": "rf"}})


class SaveAsked(ModelAsked):
    """As `ModelAsked`; versions have numbers, so that a name does nothing."""

    model_name: str | None = Field(None, description="does nothing", max_length=200)

    @property
    def ignored(self) -> list[str]:
        named = ["model_name"] if "model_name" in self.model_fields_set else []
        return [*super().ignored, *named]


class Figures(Answer):
    """Metrics of one set of sessions, and rows by what happened × the likeliest action."""

    metrics: dict[str, float]
    intervals: dict[str, list[float]] = Field(
        {}, description="95 %, of those metrics that have one"
    )
    first_session: str
    last_session: str
    confusion_matrix: list[list[int]] | None = Field(
        description="[happened][forecast], in the order of `labels`; null if not written down"
    )
    labels: list[str]


class Evaluated(Answer):
    """Validation calibrated the model and is no claim; the test is out of sample."""

    validation: Figures
    test: Figures


class EvaluateAnswer(Answer):
    """How good the version is, beside the baselines."""

    status: Literal["success"] = "success"
    model_type: str
    model_version: str
    evaluation: Evaluated
    horizon: int = Field(
        description="sessions from a forecast to the price and the action that all figures here are"
        " of: the version's setting `horizon`, 1 unless it is scoped"
    )
    regression: dict[str, float] = Field(
        description="errors of the price `horizon` sessions ahead, on the test: mae and rmse in R$,"
        " mape a fraction"
    )
    baselines: dict[str, dict[str, float]] = Field(
        description="on the same sessions, at the same horizon; `naive_price` are the errors of"
        " 'the price stays as it is', `ridge` is a linear model, the others need no model"
    )
    visualization_path: str | None = Field(description="within the data folder; null if not drawn")
    run_id: str
    ignored: list[str] = Field([], description="keys of the request that do nothing")


class SaveAnswer(Answer):
    """What became of the version: the rule of promotion decides who serves."""

    status: Literal["success"] = "success"
    message: str = Field(description="the reason, with its numbers")
    model_path: str = Field(description="within the data folder")
    version: str
    decision: Literal["promoted", "kept", "confirmed", "promoted_by_hand", "rolled_back", "scoped"]
    serving_version: str | None
    run_id: str | None = Field(description="null where nothing had to run")
    ignored: list[str] = Field([], description="keys of the request that do nothing")


class ClearAnswer(Answer):
    """What was forgotten."""

    status: Literal["success"] = "success"
    message: str
    cancelled: list[str] = Field(description="runs that waited in the queue")
    run_id: str


class ClearStarted(Started):
    """What is being forgotten."""

    cancelled: list[str] = Field(description="runs that waited in the queue")


class UpdateAnswer(Answer):
    """What the lake has now."""

    status: Literal["success"] = "success"
    message: str
    statistics: dict[str, Any] = Field(description="`total_records`, `date_range` [first, last]")
    refused_files: list[RefusedFile] = Field(
        [], description="left out by this run; the key stays away where Dagster does not tell"
    )
    run_id: str


def _with_settings(schema: dict[str, Any]) -> None:
    """Every setting of each model, as its own class describes it: one form of the request each."""
    schema["anyOf"] = [_form_of(model) for model in MODEL_NAMES]
    for name in ("properties", "additionalProperties"):
        schema.pop(name, None)
    schema["example"] = {"model_type": "rf", "n_estimators": 100}


def _form_of(model: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for settings in (Experiment, settings_of(model)):
        for name, described in settings.model_json_schema()["properties"].items():
            found[name] = {key: said for key, said in described.items() if key != "title"}
    aliases = {alias: found[name] for alias, name in ALIASES.items() if name in found}
    nothing = {"type": ["string", "null"], "description": "does nothing"}
    ignored = dict.fromkeys(IGNORED, nothing)
    preset = {"type": "string", "description": "name of settings that a tuning kept"}
    types = [name for name, meant in MODELS.items() if meant == model]
    is_usual = MODELS[TrainAsked.model_fields["model_type"].default] == model
    return {
        "title": model,
        "type": "object",
        "properties": {
            "model_type": {"enum": types},
            PRESET: preset,
            **found,
            **aliases,
            **ignored,
        },
        "required": [] if is_usual else ["model_type"],
        "additionalProperties": False,
    }
