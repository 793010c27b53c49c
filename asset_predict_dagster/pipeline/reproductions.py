"""Reproductions: a registered version is trained again from its card; nothing is registered.

No asset: what comes of it is an answer, not a table, and serves nobody.
"""

import tempfile
from pathlib import Path

import dagster as dg

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.models import TRAINING_POOL, TRAINS
from asset_predict_dagster.pipeline.progress import is_watched, of_epoch, terminal_bar
from asset_predict_dagster.pipeline.resources import LakeTables, Models, Progress
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, UNIVERSE

_CONFIG = {
    "model": dg.Field(str, description=" or ".join(MODEL_NAMES)),
    "version": dg.Field(
        dg.Noneable(str),
        default_value=None,
        description="Number of the version. Default: the one that serves.",
    ),
}


@dg.op(out=dg.Out(dg.Nothing), config_schema=_CONFIG, pool=TRAINING_POOL)
@says_why
def reproduced_version(
    context: dg.OpExecutionContext,
    lake: LakeTables,
    models: Models,
    progress: dg.ResourceParam[Progress],
) -> None:
    """A version beside what its card, trained again, comes to."""
    from asset_predict_dagster.models.reproduction import train_again

    asked, registry = context.op_config, models.registry
    if asked["version"] is None:
        version = registry.serving(asked["model"])
    else:
        version = registry.version(asked["model"], asked["version"])
    registered = models.load(version.evaluation_bundle)
    opened, known = lake.open(), registered.card["lake_versions"]
    tables = {
        table.name: opened.read(table, version=known[table.name])
        for table in (QUOTES, UNIVERSE, FEATURES, LABELS, FOLDS)
    }
    title = f"{version.model} {version.version} again"
    with (
        tempfile.TemporaryDirectory() as beside,
        terminal_bar(title, is_watched(context.run)) as show,
    ):
        found = train_again(
            registered,
            version.bundle,
            tables,
            Path(beside),
            lambda epoch: show(of_epoch(version.model, epoch)),
        )
    context.log.info(f"{version.model} {version.version}: {found.words}")
    context.add_output_metadata(
        {
            "model": version.model,
            "model_version": version.version,
            "found": found.words,
            "bundle": version.bundle,
            "bundle_again": found.again[1],
            "n_forecasts": found.n_forecasts,
            "probability_difference": found.probability_difference,
            "return_difference": found.return_difference,
        }
    )
    progress.finish((version, found))


@dg.job(
    tags=TRAINS,
    description="A registered version trained again from its card (its tables' versions, its"
    " settings, its seed), and compared with what was registered. Registers nothing.",
)
def reproduce() -> None:
    reproduced_version()
