"""One figure of a report, as the page shows it: a picture that is part of it, and its words."""

import base64
from dataclasses import dataclass
from typing import Any

from asset_predict_dagster.evaluation.drawing import DPI, svg


@dataclass(frozen=True)
class Shown:
    """One figure with its caption; without a picture the caption says why there is none.

    `alt` says the same to those who cannot see it. `picture` is a data URI.
    """

    title: str
    caption: str
    alt: str = ""
    picture: str = ""
    width: int = 0
    height: int = 0


def shown_of(title: str, caption: str, alt: str, figure: Any) -> Shown:
    """A drawn figure with its words."""
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    picture = "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode()
    return Shown(title, caption, alt, picture, width, height)
