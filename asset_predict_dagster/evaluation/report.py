"""The report: one HTML file that opens with the verdict and holds everything it rests on.

It needs no network, no script and no other file: styles and figures are inside. It claims what its
verdicts claim, shows what the tables hold, and says in words what is missing.
"""

from pathlib import Path
from typing import Any

from asset_predict_dagster.evaluation.evaluate import HEADLINE
from asset_predict_dagster.evaluation.forecast_figures import (
    of_errors,
    of_intervals,
    of_prices,
    of_probabilities,
)
from asset_predict_dagster.evaluation.metric_words import glossary
from asset_predict_dagster.evaluation.performance import CDI_CAVEAT
from asset_predict_dagster.evaluation.report_figures import of_importance, of_skill, of_trading
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.report_tables import (
    data_table,
    fact_table,
    headline_table,
    metric_tables,
)
from asset_predict_dagster.evaluation.trading_tables import (
    assumption_table,
    excess_table,
    strategies_of,
    trading_table,
)
from asset_predict_dagster.evaluation.trading_words import MEANINGS
from asset_predict_dagster.evaluation.version_table import version_table
from asset_predict_dagster.evaluation.whole_file import replace_file

__all__ = ["ReportInput", "report_html", "write_report"]

CLAIMS = {
    "skill": "skill shown",
    "no_skill": "no skill shown",
    "impossible": "too good to be true",
    "not_judged": "not judged",
}
"""What each claim of a verdict is called in its heading."""


def write_report(path: Path, report: ReportInput) -> Path:
    """Write the report in one step: whoever opens `path` sees a whole report, the old or the new.

    Returns `path`.

    Raises
    ------
    DatasetError
        If the evaluation has no row of the report's window.
    OSError
        If the file cannot be written.
    """
    return replace_file(path, report_html(report))


def report_html(report: ReportInput) -> str:
    """The report as HTML; the same input makes the same text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("asset_predict_dagster.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(_content(report))


def _unbroken(value: Any) -> Any:
    """A text whose percent signs stay on the line of their numbers."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value


def _content(report: ReportInput) -> dict[str, Any]:
    """What the template shows, all of it text already."""
    tables = metric_tables(report)
    return {
        "title": report.title,
        "sessions": report.sessions,
        "made_at": report.made_at.isoformat(sep=" ", timespec="minutes"),
        "claims": CLAIMS,
        "verdicts": report.verdicts,
        "headline": headline_table(report),
        "versions": version_table(report),
        "glossary": glossary(HEADLINE),
        "skill": of_skill(report),
        "trading": [of_trading(report, name) for name in strategies_of(report)],
        "trading_tables": [trading_table(report, name) for name in strategies_of(report)],
        "excess": excess_table(report),
        "trading_words": MEANINGS,
        "caveat": CDI_CAVEAT,
        "assumptions": assumption_table(report),
        "probabilities": of_probabilities(report),
        "errors": of_intervals(report) + of_errors(report),
        "prices": of_prices(report),
        "importance": of_importance(report),
        "first_table": tables[0],
        "further_tables": tables[1:],
        "data": data_table(report),
        "facts": fact_table(report),
    }
