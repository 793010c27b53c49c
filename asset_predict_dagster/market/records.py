"""Records: the columns that a source delivers and their types, whatever it reads them from."""

import pandas as pd
import pyarrow as pa

from asset_predict_dagster.tables import DAY, NUMBER, RAW_QUOTES, TEXT

MADE_ANEW = ("source_file", "year")
"""Columns of `tables.RAW_QUOTES` that ingestion fills in; no source delivers them."""

RECORD_COLUMNS = tuple(column for column in RAW_QUOTES.columns if column.name not in MADE_ANEW)

PANDAS_TYPES = {TEXT: "str", NUMBER: "float64", DAY: "datetime64[us]"}

RECORD_TYPES = {
    column.name: PANDAS_TYPES.get(column.type, "int64" if column.required else "Int64")
    for column in RECORD_COLUMNS
}
"""Column of a record → its type in pandas, as `read_cotahist` gives them; whole numbers that may
be missing are Int64."""


def as_records(content: pa.Table) -> pd.DataFrame:
    """Arrow's records with the types of `RECORD_TYPES`, and `line`; whole numbers stay whole."""
    integers = {pa.int64(): pd.Int64Dtype()}.get
    frame = content.to_pandas(date_as_object=False, types_mapper=integers)
    return frame.astype({**RECORD_TYPES, "line": "int64"})
