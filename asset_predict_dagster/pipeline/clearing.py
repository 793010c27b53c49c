"""Clearing: what trainings that were broken off would go on from is dropped, seen as a run.

Everything else that was made stays: raw data and tables, every registered version, who serves and
who served. Who asks through the REST API what was trained or split is told of what came after the
last such run alone.
"""

from pathlib import Path
from shutil import rmtree

import dagster as dg

from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Models
from asset_predict_dagster.registry.live_run import no_run_begins


@dg.op(out=dg.Out(dg.Nothing))
@says_why
def cleared_state(context: dg.OpExecutionContext, models: Models) -> None:
    """No checkpoint is left, unless a training is under way: then it may be its own."""
    folder = Path(models.checkpoints)
    dropped = []
    if folder.is_dir():
        with no_run_begins(models.registry.database) as nobody_trains:
            if nobody_trains:
                for path in sorted(folder.iterdir()):
                    rmtree(path) if path.is_dir() else path.unlink()
                    dropped.append(path.name)
            else:
                context.log.info("a training is under way: its checkpoint stays")
    context.add_output_metadata({"checkpoints": ", ".join(dropped) or "none"})


@dg.job(
    description="Forget what is not promoted: checkpoints of trainings that were broken off, and"
    " for the REST API what it had trained and split. Champions, data and history stay.",
)
def clear_state() -> None:
    cleared_state()
