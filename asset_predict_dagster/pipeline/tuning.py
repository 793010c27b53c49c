"""Tuning: settings of one model tried on purged folds; the best become a preset.

No asset and no table: it makes settings, which a training takes by the preset's name. So it is a
job of its own, and `complete_pipeline` never tunes.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from asset_predict_dagster.dataset.features import TABLE
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.models.kinds import KINDS, features_of, space_of
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster.models.settings import parse_settings
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.models import TRAINING_POOL, TRAINS
from asset_predict_dagster.pipeline.progress import is_watched, of_trial, terminal_bar
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.registry.training_run import Begun
from asset_predict_dagster.registry.tuning_run import log_tuned, trial_logger
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, UNIVERSE

_SHOWN = ("trial", "state", "value", "standard_error", "log_loss_skill", "rank_ic", "is_default")
_CONFIG = {
    "model": dg.Field(
        str, description=" or ".join(name for name, kind in KINDS.items() if kind.space)
    ),
    "n_trials": dg.Field(
        int,
        default_value=50,
        description="Trials that the study shall have in the end: one that has 30 already runs"
        " 20 more. New data, settings or search space begin a new study.",
    ),
    "timeout": dg.Field(
        dg.Noneable(dg.Float),
        default_value=None,
        description="Seconds after which no further trial begins.",
    ),
    "settings": dg.Field(
        dg.Permissive(),
        default_value={},
        description="Settings of the model and its experiment that are not searched, by name.",
    ),
}


class Studies(dg.ConfigurableResource):
    """The file that keeps the trials of every tuning, and the folder of presets."""

    database: str
    presets: str


@dg.op(out=dg.Out(dg.Nothing), config_schema=_CONFIG, pool=TRAINING_POOL)
@says_why
def tuned_settings(
    context: dg.OpExecutionContext,
    lake: LakeTables,
    models: Models,
    studies: Studies,
    clock: Clock,
) -> None:
    """The best settings of one model that its study has found, as a preset."""
    from asset_predict_dagster.evaluation.tuning_plots import history_picture, settings_picture
    from asset_predict_dagster.models.tuning import describe_trial, tune
    from asset_predict_dagster.models.tuning_folds import tuning_data

    asked = context.op_config
    model = asked["model"]
    space_of(model)  # an unknown one is refused before anything is read
    experiment, base, ignored = parse_settings(model, {"seed": models.seed, **asked["settings"]})
    for name in ignored:
        context.log.warning(f"{model}: {name} is accepted and does nothing")
    lake_versions: dict[str, int] = {}
    opened = lake.to_learn_from(lake_versions.setdefault)
    tables = [opened.read(table) for table in (QUOTES, UNIVERSE, TABLE, LABELS, FOLDS)]
    prepared = prepare(experiment, *tables)
    data = tuning_data(
        prepared.samples,
        prepared.labels,
        path_returns(prepared.quotes),
        prepared.folds,
        experiment,
    )
    begun = Begun(
        model,
        base.model_dump(),
        experiment.as_card(),
        n_trials=1,
        lake_versions=lake_versions,
        dagster_run_id=context.run.run_id,
    )
    with (
        models.registry.tuning(begun, clock.now) as run,
        terminal_bar(f"tune {model}", is_watched(context.run)) as show,
    ):
        context.log.info(f"the tuning of {model} is MLflow run {run.run_id}")
        to_mlflow = trial_logger(run)

        def report(trial: dict[str, Any]) -> None:
            context.log.info(describe_trial(trial))
            to_mlflow(trial)
            show(of_trial(model, trial))

        tuned = tune(
            model,
            base,
            data,
            features_of(model),
            store=Path(studies.database),
            presets=Path(studies.presets),
            now=clock.now(),
            n_trials=asked["n_trials"],
            timeout=asked["timeout"],
            report=report,
        )
        log_tuned(run, tuned)
    context.log.info(f"{model}: {tuned.verdict}; preset {tuned.preset}")
    best = tuned.trials.sort_values("value", ascending=False).head(10)
    context.add_output_metadata(
        {
            "preset": tuned.preset,
            "settings": dg.MetadataValue.json(tuned.settings),
            "verdict": tuned.verdict,
            "value": tuned.value,
            "n_trials": tuned.n_trials,
            "n_trials_ever": tuned.n_trials_ever,
            "study": tuned.study,
            "mlflow_run_id": run.run_id,
            "best_trials": dg.MetadataValue.md(
                best[list(_SHOWN)].to_markdown(index=False, floatfmt=".4f")
            ),
            "history": picture(history_picture(tuned.trials), "value by trial"),
            "importance": picture(settings_picture(tuned.importance), "importance of settings"),
        }
    )


@dg.job(
    tags=TRAINS,
    description="Settings of one model tried on purged folds before the test; the best become the"
    " preset presets/<model>.json, which a training takes by name.",
)
def tune() -> None:
    tuned_settings()
