"""Asset Predict: Brazilian stocks from B3's files to tomorrow's predictions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asset_predict_dagster.b3_model import B3Model

__version__ = "0.1.0"

__all__ = ["B3Model", "__version__"]


def __getattr__(name: str) -> Any:
    # pandas and the rest take seconds, and most of who imports this package wants another part.
    if name == "B3Model":
        from asset_predict_dagster.b3_model import B3Model

        return B3Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
