"""The answers of B3's listed-company service as JSON files: their wrapping and their numbers.

What an answer means is not known here.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from asset_predict_dagster.errors import MarketFileError

_NUMBER = re.compile(r"-?(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]+)?")
"""As Brazil writes numbers: a comma before the decimals, dots between thousands."""


@dataclass(frozen=True)
class Answer:
    """One JSON object of an answer, and the file it stands in."""

    path: Path
    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """A field as text without blanks around it; empty where B3 says nothing."""
        value = self.fields.get(name)
        return "" if value is None else str(value).strip()

    def number(self, name: str, missing: str = "") -> Decimal:
        """A number such as "58.130.517.165,22"; `missing` stands for one B3 leaves out."""
        text = self.text(name) or missing
        if not _NUMBER.fullmatch(text):
            raise self.refusal(name, "a number such as 1.234,56")
        return Decimal(text.replace(".", "").replace(",", "."))

    def day(self, name: str) -> date:
        """A day written as 31/12/2024."""
        try:
            return datetime.strptime(self.text(name), "%d/%m/%Y").date()
        except ValueError:
            raise self.refusal(name, "a day such as 31/12/2024") from None

    def rows(self, name: str) -> list["Answer"]:
        """The objects of a list; none where B3 leaves it out."""
        return _objects(self.path, self.fields.get(name) or [])

    def said_beside(self, *names: str) -> tuple[tuple[str, str], ...]:
        """All that it says, without the fields named."""
        return tuple((name, self.text(name)) for name in sorted(self.fields) if name not in names)

    def refusal(self, name: str, expected: str) -> MarketFileError:
        return MarketFileError(
            f"{self.path}: {expected} was expected as {name}, found {self.fields.get(name)!r} in"
            f" {self.fields}; fetch the answer again or correct it"
        )


def read_answers(path: Path) -> list[Answer]:
    """The objects of an answer, however it is wrapped; none if the file is missing or empty.

    B3 answers with an object, a list of objects, pages {"page": …, "results": […]} (several of
    them may stand in one list), or any of these as a JSON string; with nothing, an empty string
    or an empty list where it knows nothing. The text is UTF-8 or latin-1.

    Raises
    ------
    MarketFileError
        If the file is not JSON, or holds fewer records than its pages promise.
    """
    if not path.exists():
        return []
    answer = _json(path, _decoded(path.read_bytes()))
    while isinstance(answer, str):
        answer = _json(path, answer)
    objects = _objects(path, answer if isinstance(answer, list) else [answer] if answer else [])
    if not any("page" in each.fields or "results" in each.fields for each in objects):
        return objects
    results = [row for page in objects for row in page.rows("results")]
    page = objects[0].fields.get("page")
    # Asked for more records a page than it gives, B3 answers with none and a count of null.
    if isinstance(page, dict) and page.get("totalRecords") != len(results):
        raise MarketFileError(
            f"{path}: the page promises {page.get('totalRecords')} records but {len(results)} are"
            " there; fetch every page, or fewer records a page, and put the pages in one list"
        )
    return results


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _json(path: Path, text: str) -> Any:
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except ValueError as error:
        raise MarketFileError(f"{path} is not JSON ({error}); fetch the answer again") from None


def _objects(path: Path, values: list) -> list[Answer]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise MarketFileError(
            f"{path}: a list of JSON objects was expected, found {str(values)[:80]!r}; fetch the"
            " answer again"
        )
    return [Answer(path, value) for value in values]
