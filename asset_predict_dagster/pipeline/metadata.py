"""What a table says of itself in Dagster's UI: size, version, schema with units, a preview."""

import base64
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.lake import Written
from asset_predict_dagster.lake_log import sources_text
from asset_predict_dagster.tables import Table

_PREVIEW_ROWS = 5
_PREVIEW_COLUMNS = 12
_LARGEST_PICTURE = 50_000
"""Bytes of a PNG beyond which the UI becomes slow."""


def column_schema(table: Table) -> dg.TableSchema:
    """The data dictionary's columns, with their units."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=f"{column.meaning} [{column.unit}]" if column.unit else column.meaning,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in table.columns
        ]
    )


def column_lineage(table: Table) -> dg.TableColumnLineage | None:
    """Upstream columns, for the tables whose lineage is one of plain columns."""
    deps = {
        column.name: [
            dg.TableColumnDep(
                asset_key=dg.AssetKey(source.split(".")[0]), column_name=source.split(".")[1]
            )
            for source in column.comes_from
        ]
        for column in table.columns
        if column.comes_from
    }
    return dg.TableColumnLineage(deps_by_column=deps) if deps else None


def describe(table: Table, frame: pd.DataFrame, written: Written) -> dict[str, Any]:
    """Metadata of one write; `came_from` are the sources of the version that is now current."""
    metadata: dict[str, Any] = {
        "dagster/row_count": written.n_rows,
        "delta_version": written.version,
        "changed": written.changed,
        "bytes": written.n_bytes,
        "dagster/column_schema": column_schema(table),
        "preview": dg.MetadataValue.md(preview(table, frame)),
    }
    if written.came_from:
        metadata["came_from"] = sources_text(written.came_from)
    lineage = column_lineage(table)
    if lineage is not None:
        metadata["dagster/column_lineage"] = lineage
    return metadata


def preview(table: Table, frame: pd.DataFrame) -> str:
    """The last rows as a Markdown table; the first columns of a wide one."""
    if frame.empty:
        return "no new rows"
    names = table.column_names[:_PREVIEW_COLUMNS]
    return frame[names].tail(_PREVIEW_ROWS).to_markdown(index=False, floatfmt=".5g")


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG shown inline in the UI; one too large for it is left out, and its size said."""
    if len(png) > _LARGEST_PICTURE:
        return dg.MetadataValue.md(f"{title}: left out, {len(png):,} bytes are too many here")
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )
