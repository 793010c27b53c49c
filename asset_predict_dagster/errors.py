"""Every error this project raises on purpose.

    AssetPredictError
    ├── SettingsError            a knob is unknown, out of range or contradicts another
    │   └── SettingTypeError     a knob is of another type: text for a number, a switch for a share
    ├── TableError               a table of the lake is not what `tables.py` says
    │   ├── MissingTableError    the table has not been made yet
    │   ├── WriteConflictError   another run wrote the table at the same moment
    │   └── LakeDownError        the lake could not be reached or written
    ├── MarketFileError          a file of B3 breaks its own promise; it is refused whole
    ├── MarketDataError          what the files say cannot be used as it stands
    ├── SourceDownError          a source of prices cannot be reached; nothing was changed
    ├── DatasetError             too little data for what was asked
    ├── TrainingError            a model could not be fitted
    ├── BundleError              a saved model is incomplete, altered or of another version
    ├── RegistryError            a model or version is not registered
    │   └── NoChampionError      nothing has been promoted yet
    └── AlertError               the channel of alerts did not take a message

A message says where, what was expected, what was found, and what to do.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class AssetPredictError(Exception):
    """Something this project understands went wrong; the message says what to do."""


class SettingsError(AssetPredictError):
    """A setting is unknown, out of range or contradicts another one."""


class SettingTypeError(SettingsError):
    """A setting is of another type than it has; no value of the type that was given is taken."""


class TableError(AssetPredictError):
    """A table does not have the columns or types that `tables.py` promises."""


class MissingTableError(TableError):
    """A table was asked for before the stage that makes it has run."""


class WriteConflictError(TableError):
    """Another run wrote the table at the same moment; to run again is enough."""


class LakeDownError(TableError):
    """The lake could not be reached or written just now: what it holds stays as it is."""


class MarketFileError(AssetPredictError):
    """A file of B3 breaks its own promise: it is refused whole."""


class MarketDataError(AssetPredictError):
    """The files are well formed, yet what they say cannot be used."""


class SourceDownError(AssetPredictError):
    """A source of prices cannot be reached: what the lake holds stays as it is."""


class DatasetError(AssetPredictError):
    """There is too little data for what was asked."""


class TrainingError(AssetPredictError):
    """A model could not be fitted."""


class BundleError(AssetPredictError):
    """A saved model is incomplete, altered, or of another version."""


class RegistryError(AssetPredictError):
    """A model or a version is not registered."""


class NoChampionError(RegistryError):
    """A forecast was asked for before any model was promoted."""


class AlertError(AssetPredictError):
    """The channel did not take a message; says why, and not the channel's address."""


def in_words(refused: "ValidationError") -> str:
    """Each setting that pydantic refused in half a sentence: its name, what was found, the rule.

    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(dict[str, int]).validate_python({"epochs": "many"})
    ... except ValidationError as refused:
    ...     in_words(refused)
    "epochs='many': input should be a valid integer, unable to parse string as an integer"
    """
    said = []
    for problem in refused.errors():
        name = ".".join(str(part) for part in problem["loc"])
        rule = problem["msg"].removeprefix("Value error, ")
        if name:
            rule = f"{name}={problem['input']!r}: {rule[0].lower()}{rule[1:]}"
        said.append(rule)
    return "; ".join(said)


_OUT_OF_RANGE = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "too_long",
    "too_short",
    "string_too_long",
    "string_too_short",
    "finite_number",
)


def is_out_of_range(problem: Mapping[str, Any]) -> bool:
    """Whether pydantic refused a value of the right type: one of `ValidationError.errors()`.

    >>> is_out_of_range({"type": "less_than", "input": 2})
    True
    >>> is_out_of_range({"type": "int_parsing", "input": "many"})
    False
    """
    if problem["type"] == "literal_error":
        return isinstance(problem["input"], str)
    return problem["type"] in _OUT_OF_RANGE
