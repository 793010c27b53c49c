"""The webserver: questions to Dagster in GraphQL. Whatever is asked of it may take seconds."""

from collections.abc import Mapping
from typing import Any

import requests

LOCATION = "asset_predict_dagster"
REPOSITORY = "__repository__"

_CONNECT_SECONDS, _READ_SECONDS = 3.0, 60.0
"""A busy machine takes seconds to make a run."""


class DagsterUnreachable(Exception):
    """Dagster's webserver does not answer, or does not know the code location."""


class Webserver:
    """Dagster's webserver at that address."""

    def __init__(self, url: str, read_seconds: float = _READ_SECONDS):
        self._url = f"{url.rstrip('/')}/graphql"
        self._timeout = min(_CONNECT_SECONDS, read_seconds), read_seconds

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers.

        Raises
        ------
        DagsterUnreachable
            If it does not answer in time, or not as Dagster does.
        """
        try:
            with requests.Session() as session:
                # Neither a proxy nor a password of whoever started the server goes there.
                session.trust_env = False
                answer = session.post(
                    self._url,
                    json={"query": query, "variables": variables},
                    timeout=self._timeout,
                    allow_redirects=False,
                )
                said = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise DagsterUnreachable(type(error).__name__) from error
        if not isinstance(said, dict) or said.get("errors") or not said.get("data"):
            raise DagsterUnreachable(f"the webserver answers {answer.status_code}, not as Dagster")
        return said["data"]
