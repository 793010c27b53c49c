"""Checks: what Dagster has found wrong with the tables that forecasts are made from.

A forecast from a table that breaks a promise would be no forecast. The daily run says nothing then,
and neither does this server: it goes on with the tables before (`refresher.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asset_predict_dagster.predictions.heeded_checks import (
    EVERY_FILE_WAS_READ,
    OF_ABSENCE,
    READ_BY_MODELS,
    REFUSED_FILES,
)
from asset_predict_dagster.service.webserver import Webserver
from asset_predict_dagster.tables import RAW_QUOTES

ChecksStatus = Literal["passed", "failed", "under_way", "unknown"]

_READ_SECONDS = 5.0
"""Who asks is not a person, and asks again."""

_REMEMBERED = 10
"""Results of one check that are looked through, the newest first."""

_NAMES = """query Names($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
 assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name } } } } }"""
_EXECUTION = """{ runId status evaluation { success severity metadataEntries { label
 ... on JsonMetadataEntry { jsonString } } } }"""


@dataclass(frozen=True)
class ChecksSeen:
    """What is known of those checks; `failed` names them as `quotes: name`."""

    status: ChecksStatus
    failed: tuple[str, ...] = ()

    @property
    def are_against(self) -> bool:
        """Whether new tables should wait: a promise is broken, or will be held in a moment."""
        return self.status in ("failed", "under_way")


UNKNOWN = ChecksSeen("unknown")


class DagsterChecks:
    """The checks of the Dagster whose webserver is at that address.

    Every method may take seconds, and raises `DagsterUnreachable` if the webserver does not answer.
    """

    def __init__(self, url: str):
        self._webserver = Webserver(url, _READ_SECONDS)

    def of_what_models_read(self) -> ChecksSeen:
        """Those of `READ_BY_MODELS`: the latest result of each counts, warnings do not."""
        keys = [{"path": [name]} for name in READ_BY_MODELS]
        nodes = self._webserver.ask(_NAMES, {"keys": keys})["assetNodes"]
        wanted = sorted(
            (node["assetKey"]["path"][-1], check["name"])
            for node in nodes
            for check in node["assetChecksOrError"].get("checks", ())
            if check["name"] not in OF_ABSENCE
        )
        if not wanted:
            return UNKNOWN
        results = dict(zip(wanted, self._results(wanted), strict=True))
        failed = tuple(f"{asset}: {name}" for (asset, name), r in results.items() if _has_failed(r))
        if failed:
            return ChecksSeen("failed", failed)
        is_under_way = any(r and r[0]["status"] == "IN_PROGRESS" for r in results.values())
        return ChecksSeen("under_way" if is_under_way else "passed")

    def refused_files(self, run_id: str) -> list[dict[str, str]] | None:
        """The files that a run left out, each with `file` and `reason`; None if it did not look."""
        (results,) = self._results([(RAW_QUOTES.name, EVERY_FILE_WAS_READ)])
        entries = [
            entry
            for one in results
            if one["runId"] == run_id and one["evaluation"]
            for entry in one["evaluation"]["metadataEntries"]
            if entry["label"] == REFUSED_FILES
        ]
        return json.loads(entries[0]["jsonString"]) if entries else None

    def _results(self, checks: Sequence[tuple[str, str]]) -> list[list[Mapping[str, Any]]]:
        """Of each check (asset, name) the latest results, the newest first."""
        given = ", ".join(f"$k{at}: AssetKeyInput!, $n{at}: String!" for at in range(len(checks)))
        parts = [
            f"c{at}: assetCheckExecutions(assetKey: $k{at}, checkName: $n{at},"
            f" limit: {_REMEMBERED}) {_EXECUTION}"
            for at in range(len(checks))
        ]
        variables: dict[str, Any] = {}
        for at, (asset, name) in enumerate(checks):
            variables |= {f"k{at}": {"path": [asset]}, f"n{at}": name}
        found = self._webserver.ask(f"query Results({given}) {{ {' '.join(parts)} }}", variables)
        return [found[f"c{at}"] for at in range(len(checks))]


def _has_failed(results: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the latest result that there is says so; one that is only planned says nothing."""
    said = [one["evaluation"] for one in results if one["evaluation"]]
    return bool(said) and not said[0]["success"] and said[0]["severity"] == "ERROR"
