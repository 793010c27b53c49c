"""The data dictionary does not contradict itself, and holds the names others rely on."""

import pyarrow as pa
import pytest

from asset_predict_dagster.tables import (
    INSTANT,
    QUOTES,
    TABLES,
    TEXT,
    Column,
    Table,
    widen,
)

FIXED_NAMES = {
    "raw_quotes": "session ticker market_type bdi_code company specification open high low average"
    " close best_bid best_ask trades quantity volume_brl quotation_factor isin distribution_number",
    "evaluation": "model model_version window metric value low high naive_value",
    "predictions": "session target_session ticker model model_version horizon action"
    " probability_buy probability_hold probability_sell expected_return last_close predicted_price"
    " price_low price_high status reason created_at",
    "forecasts_out_of_sample": "window session target_session ticker model model_version horizon"
    " score expected_return probability_buy probability_hold probability_sell realised_return"
    " realised_return_tradable realised_label",
}

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def columns_of(table: Table) -> dict[str, Column]:
    return {column.name: column for column in table.columns}


def test_a_table_is_found_under_its_own_name():
    assert all(table.name == name for name, table in TABLES.items())


@each_table
def test_no_column_stands_twice(table):
    assert len(set(table.column_names)) == len(table.columns)


@each_table
def test_every_row_and_column_has_its_meaning(table):
    assert table.row
    assert all(column.meaning for column in table.columns)


@each_table
def test_the_key_is_made_of_columns_that_are_never_missing(table):
    columns = columns_of(table)
    optional = {name for name in table.key if not columns[name].required}
    # Only a forward contract has a term; B3 tells it from the ticker's other records by it.
    assert optional == ({"forward_days"} if table.name == "raw_quotes" else set())


@each_table
def test_partitions_and_volatile_columns_exist(table):
    assert {*table.partition_by, *table.volatile} <= set(table.column_names)


@each_table
def test_a_clock_reading_is_volatile(table):
    clocks = {column.name for column in table.columns if column.type == INSTANT}
    assert clocks <= set(table.volatile)


@each_table
def test_bounds_are_for_numbers_and_allowed_values_for_texts(table):
    for column in table.columns:
        is_bounded = column.minimum is not None or column.maximum is not None
        is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        assert is_number or not is_bounded, column.name
        assert column.type == TEXT or column.values is None, column.name
        assert (column.maximum or float("inf")) > (column.minimum or 0), column.name


@each_table
def test_a_price_a_probability_and_an_amount_say_their_unit(table):
    measures = ("price_", "probability_", "adjusted_", "return_low", "expected_return")
    for column in table.columns:
        if column.type != TEXT and column.name.startswith(measures):
            assert column.unit, column.name
        if column.name.endswith("_brl"):
            assert "R$" in column.unit, column.name


@each_table
def test_lineage_names_columns_that_exist(table):
    for column in table.columns:
        for source in column.comes_from:
            name, of = source.split(".")
            assert of in TABLES[name].column_names, f"{table.name}.{column.name} ← {source}"


@each_table
def test_lineage_points_back_in_the_order_data_flows(table):
    order = list(TABLES)
    sources = {source.split(".")[0] for column in table.columns for source in column.comes_from}
    assert all(order.index(source) < order.index(table.name) for source in sources)


@pytest.mark.parametrize("name", FIXED_NAMES)
def test_the_columns_that_others_rely_on_are_there(name):
    assert set(FIXED_NAMES[name].split()) <= set(TABLES[name].column_names)


def test_what_was_predicted_is_never_rewritten():
    assert {name for name, table in TABLES.items() if table.append_only} == {
        "predictions",
        "outcomes",
    }


def test_the_schema_is_the_columns_in_order():
    table = Table("t", "a row", ("a",), (Column("b", pa.int64(), "b"), Column("a", TEXT, "a")))
    assert table.schema == pa.schema([("b", pa.int64()), ("a", pa.string())])
    assert table.column_names == ["b", "a"]


def test_a_widened_table_is_the_same_with_more_columns_at_its_end():
    momentum = Column("momentum", pa.float64(), "how it moved")
    wider = widen(QUOTES, [momentum])
    assert wider.columns == (*QUOTES.columns, momentum)
    assert (wider.name, wider.key) == (QUOTES.name, QUOTES.key)
    assert "momentum" not in QUOTES.column_names
