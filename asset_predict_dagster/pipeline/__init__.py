"""The Dagster layer: one thin module per stage, in the order data flows."""
