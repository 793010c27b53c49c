"""Names of models as people type them."""

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.kinds import MODEL_NAMES

NAMES = {"rf": "random_forest", **{name: name for name in MODEL_NAMES}, "lstm_mtl": "lstm"}
"""What people type → the registered name."""

BOTH = "both"


def model_called(name: str) -> str:
    """The registered name of a model.

    >>> model_called("rf"), model_called("LSTM")
    ('random_forest', 'lstm')

    Raises
    ------
    SettingsError
        If there is no such model.
    """
    called = name.strip().lower()
    if called not in NAMES:
        raise SettingsError(f"there is no model {name!r}; there are {', '.join(NAMES)}")
    return NAMES[called]


def models_called(name: str) -> tuple[str, ...]:
    """The registered names of one model, or of all that are trained: `both`.

    Raises
    ------
    SettingsError
        If there is no such model.
    """
    return MODEL_NAMES if name.strip().lower() == BOTH else (model_called(name),)
