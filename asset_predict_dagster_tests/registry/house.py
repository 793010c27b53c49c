"""A small house to clean up: real bundles that name a real lake's tables, and a real registry."""

import os
import shutil
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import feature_formulas, load_bundle, write_bundle
from asset_predict_dagster.registry.live_run import LiveRun
from asset_predict_dagster.registry.model_clean_up import KeptModels, clean_up_models
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.training_run import Begun
from asset_predict_dagster.registry.versions import ModelVersion
from asset_predict_dagster.tables import FOLDS
from asset_predict_dagster_tests.predictions.hand_made_bundle import memory_bundle
from asset_predict_dagster_tests.registry.trainings import promote, trained_model

MONTH = timedelta(days=30)


@dataclass
class House:
    """One data folder, and the time of whoever lives in it.

    `served` are the versions of each model that were ever champion. Files are dated by the
    house's own clock, so that weeks pass in no time.
    """

    folder: Path
    now: datetime = datetime(2024, 1, 8, 12, tzinfo=UTC)
    served: dict[str, list[str]] = field(default_factory=dict)
    seeds: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, folder: Path, database: Path) -> "House":
        shutil.copy(database, folder / "mlflow.db")
        return cls(folder)

    @property
    def registry(self) -> Registry:
        return Registry(self.folder / "mlflow.db")

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake")

    def write_bundle(self, model: str, role: str, seed: int, folds: int) -> str:
        bundle = memory_bundle(2)
        names = bundle.card["feature_names"]
        card = {
            **bundle.card,
            "feature_formulas": feature_formulas(tuple(names)),
            "lake_versions": {"folds": folds},
            "settings": {"model": model, "role": role, "seed": seed},
        }
        trained = Trained("model.txt", b"none", bundle.onnx, {}, native_forecast=bundle.forecast)
        return write_bundle(self.bundles, trained, card)

    def begun(self, model: str, folds: int) -> Begun:
        card = trained_model(model, 0)
        return Begun(model, {}, card.experiment, 1, {"folds": folds}, f"run of {model}")

    def train(self, model: str, run: LiveRun | None = None) -> ModelVersion:
        """Learn from a new version of the folds, and register what came of it."""
        self.seeds[model] += 1
        seed = self.seeds.total()
        day = pd.DataFrame({"session": pd.to_datetime(["2024-01-02"]).as_unit("us")})
        rows = day.assign(window=f"w{seed}", role="train")[FOLDS.column_names]
        folds = self.lake.write(FOLDS, rows).version
        begun = self.begun(model, folds)
        with nullcontext(run) if run else self.registry.training(begun, self.clock) as run:
            trained = replace(
                trained_model(model, seed),
                evaluation_bundle=self.write_bundle(model, "evaluation", seed, folds),
                serving_bundle=self.write_bundle(model, "serving", seed, folds),
            )
            version = self.registry.register(
                trained, self.now, f"dagster run {seed}", bundles=self.bundles, run=run
            )
        self.date_new_files()
        return version

    def promote(self, version: ModelVersion) -> None:
        self.served.setdefault(version.model, []).append(version.version)
        promote(self.registry, version, at=self.now)

    def clock(self) -> datetime:
        return self.now

    def pass_days(self, days: int) -> None:
        self.now += timedelta(days=days)

    def date_new_files(self) -> None:
        """Let what this machine has written just now be written at the house's time."""
        places = (self.bundles, self.checkpoints)
        for path in (one for place in places if place.is_dir() for one in place.iterdir()):
            if path.stat().st_mtime > self.now.timestamp():
                os.utime(path, (self.now.timestamp(),) * 2)

    def kept(self, last: int) -> KeptModels:
        trusted = {model: set(versions) for model, versions in self.served.items()}
        return KeptModels(trusted, last, MONTH)

    def clean_up(self, last: int = 1, *, dry_run: bool = False) -> pd.DataFrame | None:
        return clean_up_models(
            self.registry,
            self.bundles,
            self.checkpoints,
            self.kept(last),
            self.now,
            dry_run=dry_run,
        )

    def versions(self, model: str) -> list[str]:
        return [version.version for version in self.registry.versions(model)]

    def digests(self) -> set[str]:
        """The bundles that lie there."""
        return {path.name for path in self.bundles.iterdir()} if self.bundles.is_dir() else set()

    def assert_whole(self) -> None:
        """Who serves, served or may serve is there, and every version that is there loads."""
        for model in self.registry.models():
            assert set(self.served.get(model, [])) <= set(self.versions(model))
            if model in self.served:
                assert self.registry.serving(model).version == self.served[model][-1]
            assert self.registry.challenger(model)
            for version in self.registry.versions(model):
                assert self.registry._client().get_run(version.run_id).info.status == "FINISHED"
                for digest in (version.bundle, version.evaluation_bundle):
                    named = load_bundle(self.bundles, digest).card["lake_versions"]["folds"]
                    assert len(self.lake.read(FOLDS, version=named)) == 1
