"""What may be told of an error: where the data lies is nobody's business."""

import re
from dataclasses import dataclass
from pathlib import Path

from asset_predict_dagster.errors import AssetPredictError
from asset_predict_dagster.settings import Settings


@dataclass(frozen=True)
class Places:
    """Where the service reads: the lake's root, the folder of bundles, MLflow's database."""

    data: Path
    lake_root: str
    bundles: Path
    registry_database: Path

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        return cls(settings.data, settings.lake_root, settings.bundles, settings.registry_database)


def in_a_line(error: BaseException, places: Places) -> str:
    """An error of ours in its own words without paths; of a defect, its name and where it is.

    A defect's own words are left out: they may quote anything.
    """
    if not isinstance(error, AssetPredictError):
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = Path(trace.tb_frame.f_code.co_filename).name if trace else "an unknown place"
        line = f", line {trace.tb_lineno}" if trace else ""
        return f"{type(error).__name__} in {where}{line}"
    return without_paths(str(error), places)


def without_paths(said: str, places: Places) -> str:
    """A sentence in one line, the folders of ours in it called `<data>` and `<lake>`."""
    said = " ".join(said.split())
    hidden = {
        places.lake_root: "<lake>",
        str(Path(places.lake_root).resolve()) if "://" not in places.lake_root else "": "<lake>",
        str(places.data.resolve()): "<data>",
        str(places.data): "<data>",
    }
    for path in sorted(hidden, key=len, reverse=True):
        # A relative `data` is a word as well, and stands in sentences that name no folder.
        if len(path) > 1 and ("/" in path or "\\" in path):
            said = said.replace(path, hidden[path])
    return said


def of_a_file(reason: str, file: str, places: Places) -> str:
    """Why a file of that name was refused, without the folders in which it or anything else lies.

    >>> places = Places(Path("d"), "d/lake", Path("d/bundles"), Path("d/mlflow.db"))
    >>> of_a_file("/my files/A.TXT, line 3: 9 expected; see /etc/b3", "A.TXT", places)
    'A.TXT, line 3: 9 expected; see <path>'
    """
    said = without_paths(reason, places)
    before, name, after = said.partition(file)
    if name and before.startswith(_BEGINS_A_PATH) and before.endswith(("/", "\\")):
        said = name + after
    return re.sub(r"(?<![\w<>/])(?:[A-Za-z]:)?[/\\][^\s;,:'\"]+", "<path>", said)


_BEGINS_A_PATH = ("/", "\\", ".", "<")
