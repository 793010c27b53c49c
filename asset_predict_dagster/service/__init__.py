"""The REST API: answers from a snapshot of the lake in memory; launches runs through Dagster."""
