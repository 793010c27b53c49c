"""A backtest's verdicts are printed with what would make them wrong, 80 columns wide."""

import io
from dataclasses import replace

from rich.console import Console

from asset_predict_dagster.cli_backtest_text import print_backtest
from asset_predict_dagster.pipeline.backtests import Told
from asset_predict_dagster.runs import Ran
from asset_predict_dagster_tests.evaluation.report_inputs import report_input

LONG = "A rank IC of 0.137 is more than hundreds of tried variants have shown out of sample: " * 2


def printed(*warnings: str) -> str:
    """What is printed of a backtest with one verdict."""
    given = report_input()
    verdict = replace(given.verdicts[0], warnings=warnings)
    told = Told(replace(given, verdicts=[verdict]), "backtest.html", ("2023H1",), 0)
    page = io.StringIO()
    print_backtest(Console(file=page, width=80), Ran(told, "run", is_kept=True))
    return page.getvalue()


def test_each_warning_is_an_entry_under_its_verdict():
    said = printed("Survivorship.", LONG.strip())
    lines = said.splitlines()
    place = lines.index("- Survivorship.")
    paragraph = report_input().verdicts[0].paragraph
    assert paragraph.split()[-1] in lines[place - 1]
    assert lines[place + 1].startswith("- A rank IC of 0.137")
    assert lines[place + 2].startswith("  ")
    assert " ".join(said.split()).count(LONG.strip()) == 1


def test_no_line_is_wider_than_80_columns():
    lines = printed(LONG.strip()).splitlines()
    assert max(len(line) for line in lines) <= 80


def test_a_verdict_without_warnings_has_no_list():
    assert not [line for line in printed().splitlines() if line.startswith("- ")]
