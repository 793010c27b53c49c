"""What a table says, as Arrow: the data dictionary's types, in the order of its key, and a digest.

The lake stores and compares tables in this form; everybody else sees DataFrames.
"""

import hashlib
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.tables import Table


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """`frame` with the dictionary's columns, order and types, sorted by the table's key.

    Raises
    ------
    TableError
        Naming the columns that are missing, unknown, or cannot be of their type.
    """
    missing = [name for name in table.column_names if name not in frame]
    unknown = [name for name in frame if name not in table.column_names]
    if missing or unknown:
        raise TableError(
            f"table '{table.name}': missing columns {missing or 'none'},"
            f" unknown columns {unknown or 'none'}; `tables.py` lists what belongs in it"
        )
    arrays = []
    for column in table.columns:
        if pa.types.is_date(column.type):
            _refuse_time_of_day(table, frame[column.name])
        try:
            arrays.append(_array(frame[column.name], column.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TableError(
                f"table '{table.name}', column '{column.name}': expected {column.type}, {error}"
            ) from error
    content = pa.table(
        [
            array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            for array in arrays
        ],
        schema=table.schema,
    )
    return sorted_by_key(content, table)


def _refuse_time_of_day(table: Table, days: pd.Series) -> None:
    # Arrow would cut it off and say nothing.
    if not pd.api.types.is_datetime64_any_dtype(days.dtype):
        return
    is_aware = isinstance(days.dtype, pd.DatetimeTZDtype)
    is_day = days.isna() | (days == days.dt.normalize())
    if is_aware or not is_day.all():
        raise TableError(
            f"table '{table.name}', column '{days.name}': expected days, without a time of day or"
            f" a time zone, found {days.dtype if is_aware else days[~is_day].iloc[0]}"
        )


def refuse_unsound_keys(table: Table, content: pa.Table) -> None:
    """Raise `TableError` if a part of a key is missing, or a key stands twice."""
    keys = content.select(list(table.key))
    missing = [name for name in table.key if keys[name].null_count]
    n_repeated = keys.num_rows - keys.group_by(list(table.key)).aggregate([]).num_rows
    if missing or n_repeated:
        raise TableError(
            f"table '{table.name}': the key ({', '.join(table.key)}) must be whole and stand once,"
            f" but {missing or 'none'} have missing values and {n_repeated:,} rows repeat another's"
        )


def _array(values: pd.Series, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    # A column of nothing but missing values comes from pandas as floats, whatever it stands for.
    if values.isna().all():
        return pa.nulls(len(values), kind)
    return pa.array(values, type=kind, from_pandas=True)


def to_arrow_key(table: Table, frame: pd.DataFrame) -> pa.Table:
    """The key columns of `frame` with the dictionary's types."""
    return pa.table(
        {
            name: pa.array(frame[name], type=table.schema.field(name).type, from_pandas=True)
            for name in table.key
        }
    )


def content_digest(table: Table, frame: pd.DataFrame, *, without: Sequence[str] = ()) -> str:
    """A digest of what the rows say, whatever their order, leaving out the columns `without`."""
    content = to_arrow(table, frame).drop_columns(list(without))
    # By every column: without part of the key, what is left of it may stand twice.
    return digest_of(content.sort_by([(name, "ascending") for name in content.column_names]))


def digest_of(content: pa.Table) -> str:
    """BLAKE2b of the rows in their order, with names and types."""
    digest = hashlib.blake2b(digest_size=16)
    with pa.ipc.new_stream(pa.PythonFile(_Sink(digest), mode="w"), content.schema) as stream:
        stream.write_table(content.combine_chunks())
    return digest.hexdigest()


class _Sink:
    """A file that hashes what is written to it."""

    def __init__(self, digest):
        self.write = lambda chunk: digest.update(chunk) or len(chunk)
        self.closed = False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def sorted_by_key(content: pa.Table, table: Table) -> pa.Table:
    """The rows in the order of the table's key, in one chunk."""
    return content.sort_by([(name, "ascending") for name in table.key]).combine_chunks()


def rows_not_in(content: pa.Table, known: pa.Table, table: Table) -> pa.Table:
    """The rows of `content` whose key is not among the keys `known`."""
    return content.join(known, keys=list(table.key), join_type="left anti").select(
        table.column_names
    )


def with_defaults(content: pa.Table, table: Table) -> pa.Table:
    """What rows of an earlier program do not say is the column's default."""
    for name, default in table.defaults.items():
        if name in content.column_names:
            place = content.column_names.index(name)
            said = pc.fill_null(content[name], pa.scalar(default, content[name].type))
            content = content.set_column(place, content.field(name), said)
    return content


def to_pandas(content: pa.Table) -> pd.DataFrame:
    """As a DataFrame, days as datetime64[us] at midnight."""
    frame = content.to_pandas(date_as_object=False)
    days = [field.name for field in content.schema if pa.types.is_date(field.type)]
    return frame.astype(dict.fromkeys(days, "datetime64[us]"))
