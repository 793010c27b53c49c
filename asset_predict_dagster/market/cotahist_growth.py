"""Columns of a table while it grows: batch upon batch, and no value in memory twice."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from asset_predict_dagster.market.cotahist_layout import Field

MISSING = -1
"""Stands for B3's "none" among whole numbers, which are never negative."""

_DTYPES = {"text": np.uint8, "date": "M8[us]", "decimal": np.float64, "integer": np.int64}


class GrowingArray:
    """An array with room to grow: a list of parts would be in memory twice when joined."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = dtype
        self._buffer = np.empty(0, dtype)
        self.n = 0

    def extend(self, values: np.ndarray) -> None:
        end = self.n + len(values)
        if end > len(self._buffer):
            # What has not been written to takes no memory yet, so that much room costs little.
            roomier = np.empty(max(end, 4 * len(self._buffer)), self._dtype)
            roomier[: self.n] = self._buffer[: self.n]
            self._buffer = roomier
        self._buffer[self.n : end] = values
        self.n = end

    def taken(self) -> np.ndarray:
        """The values. None is left here."""
        values = self._buffer
        values.resize(self.n, refcheck=False)
        self._buffer, self.n = np.empty(0, self._dtype), 0
        return values


class GrowingColumn:
    """The column of one field."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._values = GrowingArray(_DTYPES[field.kind])  # of texts, all their bytes in a row
        self._ends = GrowingArray(np.int64)

    def extend(self, values: np.ndarray | pa.LargeStringArray) -> None:
        """Numbers, days or, of a text field, strings that begin with their buffers."""
        if isinstance(values, np.ndarray):
            self._values.extend(values)
            return
        _, limits, characters = values.buffers()
        ends = np.frombuffer(limits, np.int64)[1 : len(values) + 1]
        self._ends.extend(ends + self._values.n)
        self._values.extend(np.frombuffer(characters or b"", np.uint8)[: ends[-1]])

    def taken(self) -> object:
        """The column. Nothing is left here."""
        values = self._values.taken()
        if self._field.kind == "text":
            starts_and_end = np.concatenate([[0], self._ends.taken()])
            buffers = pa.py_buffer(starts_and_end), pa.py_buffer(values)
            texts = pa.LargeStringArray.from_buffers(len(starts_and_end) - 1, *buffers)
            return pd.array(texts, dtype="str")
        if self._field.kind == "integer" and self._field.none:
            return pd.arrays.IntegerArray(values, values == MISSING)
        return values
