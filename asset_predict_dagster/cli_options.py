"""Options that several commands have, and those that are made from the models' settings."""

import inspect
import os
from collections.abc import Callable, Collection
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Annotated, Any, get_args, get_origin

import typer

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.described import limits_of, meanings_of
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.models.names import BOTH, NAMES, model_called, models_called
from asset_predict_dagster.models.settings import ALIASES, IGNORED, PRESET, fields_of

CONTEXT = {"token_normalize_func": lambda name: name.replace("_", "-")}
"""So that `--n_jobs` is `--n-jobs`, in every command."""


@contextmanager
def as_usage():
    """A setting that is refused is a mistake of whoever typed it: exit code 2."""
    try:
        yield
    except SettingsError as error:
        raise typer.BadParameter(f"{error}.") from error


def one_model(name: str) -> str:
    """The registered name of a model that was typed."""
    with as_usage():
        return model_called(name)


def some_models(name: str) -> str:
    """What was typed, if it is a model's name or `both`."""
    with as_usage():
        models_called(name)
    return name


def _names_beginning(incomplete: str) -> list[str]:
    return [name for name in NAMES if name.startswith(incomplete)]


def _names_or_both(incomplete: str) -> list[str]:
    return [name for name in (BOTH, *NAMES) if name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        callback=one_model,
        autocompletion=_names_beginning,
        help="rf, lstm, or a name in full.",
    ),
]
ModelNames = Annotated[
    str,
    typer.Option(
        "--model",
        callback=some_models,
        autocompletion=_names_or_both,
        help="rf, lstm, a name in full, or both.",
    ),
]
VersionNumber = Annotated[
    int | None,
    typer.Option("--version", min=1, show_default="the one that serves", help="Its number."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


Command = Callable[..., None]


def with_settings(but: Collection[str] = ()) -> Callable[[Command], Command]:
    """Give a command an option for every setting of the models, from the settings' own classes.

    The command has a parameter `written`: the settings that were typed, as text, by our names.
    Values are read and judged where they are used, as everywhere (`models/settings.py`).

    Parameters
    ----------
    but
        Settings whose names mean something else to the command.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        options = {name: made for name, made in _options().items() if name not in but}

        @wraps(command)
        def run(**given: Any) -> None:
            typed = {name: given.pop(name) for name in options}
            written = {
                name: ",".join(said) if isinstance(said, list) else said
                for name, said in typed.items()
                if said not in (None, [])
            }
            command(**given, written=written)

        kept = [parameter for name, parameter in own.items() if name != "written"]
        made = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind, option],
            )
            for name, (kind, option) in options.items()
        ]
        model, rest = kept[:1], [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept[1:]]
        parameters = [*model, *rest, *made]
        run.__signature__ = inspect.Signature(parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def cores() -> int:
    """The cores of this machine, as far as a setting of threads goes."""
    return min(os.cpu_count() or 1, 256)


def _options() -> dict[str, tuple[Any, Any]]:
    """Name of each setting → its type for typer and its option, those of both models first."""
    made: dict[str, tuple[Any, Any]] = {}
    for model in MODEL_NAMES:
        meanings = meanings_of(model)
        for name, field in fields_of(model).items():
            if name in made:
                continue
            is_everybodys = all(name in fields_of(other) for other in MODEL_NAMES)
            whose = "" if is_everybodys else f"{model}: "
            limits = limits_of(name, field)
            if name == "n_jobs":
                limits = "(default: the cores of this machine)"
            said = f"{whose}{_in_short(meanings[name])} {limits}"
            made[name] = _option(name, field.annotation, said)
    of_everybody = [name for name in made if name in Experiment.model_fields or name == "seed"]
    made = {name: made[name] for name in (*of_everybody, *made)}
    tuned = "Settings that were tuned, by their name; what is typed goes before them."
    made[PRESET] = (str | None, typer.Option(metavar="NAME", show_default=False, help=tuned))
    hidden = {name: (str | None, typer.Option(_spelt(name), hidden=True)) for name in IGNORED}
    return made | hidden


def _option(name: str, annotation: Any, meaning: str) -> tuple[Any, Any]:
    """Text, but for switches and lists: whoever uses a setting reads it."""
    kinds = (annotation, *get_args(annotation))
    spelt = _spelt(name)
    if bool in kinds:
        both = f"{spelt}/--no-{spelt.removeprefix('--')}"
        return bool | None, typer.Option(both, show_default=False, help=meaning)
    also = [_spelt(alias) for alias, ours in ALIASES.items() if ours == name]
    words = {int: "N", float: "X", date: "DAY"}
    metavar = next((word for kind, word in words.items() if kind in kinds), "WORD")
    is_list = any(get_origin(kind) is tuple for kind in kinds)
    option = typer.Option(
        spelt, *also, metavar="CODES" if is_list else metavar, show_default=False, help=meaning
    )
    return (list[str] | None if is_list else str | None), option


def _spelt(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _in_short(meaning: str) -> str:
    """Its first sentence."""
    return f"{meaning.split('. ')[0].rstrip('.')}."
