"""Every knob of the random forest."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asset_predict_dagster.errors import SettingsError, in_words
from asset_predict_dagster.models.twin_forests import ClassWeight, Growth


class ForestSettings(BaseModel):
    """Every knob of the forest; an unknown or impossible one raises `SettingsError`.

    The defaults suit a weak signal (a rank IC of .03): large leaves, and trees that see few
    rows and few features, so that they disagree. Leaves of 100 to 1,000 rows and a share of
    features from .1 to .5 were found to differ by no more than noise.

    Attributes
    ----------
    n_estimators
        Trees per forest.
    max_depth
        Splits from root to leaf; None: as many as the leaves allow.
    min_samples_leaf
        Rows a leaf needs; lowered on small data so that a tree can have 20 leaves, and by a
        search to what its smallest fold allows. The card has what was grown, as `leaf_grown`.
    max_features
        Share of the features a split chooses from.
    max_samples
        Share of the rows each tree draws, with repetition.
    class_weight
        None keeps probabilities honest. Otherwise the rare classes count more, and the
        probabilities need calibration before anyone reads them.
    sample_weight
        `uniqueness`: a row is drawn for the action's forest the more often, the less of its
        label's span it shares with others of its ticker (`Samples.weight`). Labels that all look
        equally far ahead all weigh the same, so it changes nothing but triple barriers'.
    search
        How leaf, features, samples and depth are chosen within the training sessions, for each of
        the twins: not at all, by successive halving, or by growing every candidate to the end.
        The values given here are the first candidate.
    n_candidates
        How many are tried by a search; refused where there is none.
    n_bins
        Quantile bins per feature.
    n_jobs
        Threads. The forest does not depend on it.
    seed
        Where randomness starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_estimators: int = Field(100, ge=1, le=2_000)
    max_depth: int | None = Field(None, ge=1, le=64)
    min_samples_leaf: int = Field(500, ge=1, le=1_000_000)
    max_features: float = Field(0.3, gt=0, le=1)
    max_samples: float = Field(0.3, gt=0, le=1)
    class_weight: ClassWeight | None = None
    sample_weight: Literal["none", "uniqueness"] = "none"
    search: Literal["none", "halving", "random"] = "none"
    n_candidates: int = Field(18, ge=2, le=1_000)
    n_bins: int = Field(48, ge=2, le=1_024)
    n_jobs: int = Field(1, ge=1, le=256)
    seed: int = Field(42, ge=0, lt=2**32)

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"random_forest: {in_words(refused)}") from refused

    @model_validator(mode="after")
    def _no_candidates_without_a_search(self) -> "ForestSettings":
        given = self.model_fields_set
        # A card repeats the default beside its search=none, which is no wish.
        is_wish = (
            "search" not in given
            or self.n_candidates != type(self).model_fields["n_candidates"].default
        )
        if self.search == "none" and "n_candidates" in given and is_wish:
            raise ValueError(
                f"n_candidates={self.n_candidates} is of a search, and search is none; choose"
                " search halving or random, or leave it out"
            )
        return self

    @property
    def growth(self) -> Growth:
        """How the trees grow where nothing is searched."""
        return Growth(self.min_samples_leaf, self.max_features, self.max_samples, self.max_depth)
