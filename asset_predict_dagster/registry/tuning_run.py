"""The MLflow run of a tuning: one for each call, which sees the whole study.

    params      the settings that are not searched, experiment.*
    tags        model, dagster_run_id, code_version, lake.<table>; at the end study, preset, verdict
    metrics     by trial value, best_value, log_loss_skill, rank_ic; seconds_left; at the end those
                of `Tuned`: value and default_value, advantage, standard_error, luck, n_trials...
    artefacts   figures/history.png, figures/importance.png, tables/trials.csv

Several processes may work on one study: the run of each has its own trials as they end, and all the
others' once it is done.
"""

from collections.abc import Callable
from typing import Any

from asset_predict_dagster.evaluation.tuning_plots import history_picture, settings_picture
from asset_predict_dagster.models.tuned import PARTS, Tuned
from asset_predict_dagster.registry.live_run import LiveRun

_AT_THE_END = ("default_value", "advantage", "standard_error", "luck", "n_trials", "n_trials_ever")


def trial_logger(run: LiveRun) -> Callable[[dict[str, Any]], None]:
    """Writes each reported trial to the run; what is reported: see `models.tuning.Report`."""

    def heard(trial: dict[str, Any]) -> None:
        figures = {"value": trial["value"], "best_value": trial["best"]}
        run.log(figures | {"seconds_left": trial["seconds_left"]}, trial["trial"])

    return heard


def log_tuned(run: LiveRun, tuned: Tuned) -> None:
    """Add to the run of a tuning what it came to.

    Raises
    ------
    RegistryError
        If the artefacts cannot be written.
    """
    contents = {
        "figures/history.png": history_picture(tuned.trials),
        "figures/importance.png": settings_picture(tuned.importance),
        "tables/trials.csv": tuned.trials.to_csv(index=False).encode(),
    }
    run.keep(contents, {})
    for trial in tuned.trials.to_dict("records"):
        run.note({name: trial[name] for name in ("value", *PARTS)}, int(trial["trial"]))
    known = {name: getattr(tuned, name) for name in _AT_THE_END}
    run.note({name: value for name, value in known.items() if value is not None})
    run.flush()
    run.tag({"study": tuned.study, "preset": tuned.preset, "verdict": tuned.verdict})
