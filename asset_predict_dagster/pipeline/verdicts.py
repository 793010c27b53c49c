"""Verdicts: a table of offending rows becomes the result of a check."""

import dagster as dg
import pandas as pd

_SHOWN = 50


def verdict(
    offending: pd.DataFrame, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """Passed if no row offends; the rows are shown, the last 50 of many."""
    shown = offending.tail(_SHOWN)
    return dg.AssetCheckResult(
        passed=offending.empty,
        severity=severity,
        metadata={
            "n_offending": len(offending),
            "offending": dg.MetadataValue.md(
                shown.to_markdown(index=False) if len(shown) else "none"
            ),
        },
    )


def warning(offending: pd.DataFrame) -> dg.AssetCheckResult:
    """As `verdict`, of rows that a person should look at."""
    return verdict(offending, dg.AssetCheckSeverity.WARN)
