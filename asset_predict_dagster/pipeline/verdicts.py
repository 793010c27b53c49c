"""Verdicts: a table of offending rows becomes the result of a check."""

from typing import Any

import dagster as dg
import pandas as pd

_SHOWN = 50


def verdict(
    offending: pd.DataFrame, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """Passed if no row offends; the newest 50 are shown, and of how many tickers there are more."""
    newest = offending
    for day in ("session", "ex_date", "last_session"):
        if day in offending:
            newest = offending.sort_values(day, ascending=False, kind="stable")
            break
    metadata: dict[str, Any] = {
        "n_offending": len(offending),
        "offending": _shown(newest.head(_SHOWN)),
    }
    if len(offending) > _SHOWN and "ticker" in offending:
        counts = offending["ticker"].value_counts().rename("n_offending").reset_index()
        metadata["n_offending_by_ticker"] = _shown(counts)
    return dg.AssetCheckResult(passed=offending.empty, severity=severity, metadata=metadata)


def _shown(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(rows.to_markdown(index=False) if len(rows) else "none")


def warning(offending: pd.DataFrame) -> dg.AssetCheckResult:
    """As `verdict`, of rows that a person should look at."""
    return verdict(offending, dg.AssetCheckSeverity.WARN)
