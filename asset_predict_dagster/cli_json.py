"""JSON for programs: what a command says as one document on standard output."""

import json
import math
from datetime import date, datetime, time
from typing import Any

import pandas as pd


def json_text(document: Any) -> str:
    """A document as text; its values may be such as `plain` understands."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=plain)


def print_json(document: Any) -> None:
    print(json_text(document))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows: days and instants in ISO 8601, null for what is missing, "inf" for the infinite.

    >>> records(pd.DataFrame({"session": [pd.Timestamp("2024-02-09")], "value": [float("nan")]}))
    [{'session': '2024-02-09', 'value': None}]
    """
    return [{str(n): plain(value) for n, value in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    """One value as JSON has it."""
    if isinstance(value, (list, dict)):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, datetime) and (value.tzinfo or value.time() != time()):
        return value.isoformat()
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    value = value.item() if hasattr(value, "item") else value
    return str(value) if value in (math.inf, -math.inf) else value
