"""The data dictionary: one schema per table of the lake, with units, meaning and key.

The checks in Dagster, the column descriptions in its UI and the comments in the published
database are all derived from here. A price "in reais" is R$ per share unless said otherwise.

Market terms that stay in Portuguese or as B3's codes: ESPECI (specification of the paper: ON
common share, PN preferred share, UNT unit, CI quota of a fund; flags such as ED or EB say "ex
dividend", "ex bonus"), FATCOT (quotation factor: shares per quoted price), DISMES (distribution
number: steps by one at each corporate action), BDI (B3's bulletin section: 02 standard lots,
12 real-estate funds), FII (real-estate investment fund).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

TEXT, WHOLE, SMALL = pa.string(), pa.int64(), pa.int32()
NUMBER, FLAG, DAY, INSTANT = pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us", tz="UTC")
ACTION_NAMES = ("buy", "hold", "sell")


@dataclass(frozen=True)
class Column:
    """One column: `required` forbids missing values, bounds are inclusive.

    A value of a `point_in_time` column is what was known at the close of its row's session:
    records of later sessions never change it. The others say what came later, or are restated.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    comes_from: tuple[str, ...] = ()
    """Upstream columns as `table.column`, where the lineage is one of plain columns."""
    point_in_time: bool = True
    default: int | None = None
    """What it says in rows of an earlier program, which did not have it; None: nothing does."""


@dataclass(frozen=True)
class Table:
    """One table: what a row is, which columns it has, and what makes a row unique.

    `volatile` names the columns that hold clock readings or model versions: two runs over the
    same data may differ there and nowhere else. Of an `append_only` table the first write of a
    key wins and no row is ever changed; every other table is replaced whole, or by its parts.
    """

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    append_only: bool = False

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def defaults(self) -> dict[str, int]:
        """Column → its default, of those that have one."""
        return {c.name: c.default for c in self.columns if c.default is not None}

    @property
    def point_in_time_columns(self) -> list[str]:
        return [column.name for column in self.columns if column.point_in_time]


def _price(name: str, meaning: str, **more) -> Column:
    return Column(name, NUMBER, meaning, "R$ per share", minimum=0.0, **more)


def _quoted(name: str, meaning: str, **more) -> Column:
    return Column(name, NUMBER, meaning, "R$ per FATCOT shares", minimum=0.0, **more)


def _share(name: str, meaning: str, **more) -> Column:
    return Column(name, NUMBER, meaning, "fraction", minimum=0.0, maximum=1.0, **more)


def _known_later(*columns: Column) -> tuple[Column, ...]:
    return tuple(replace(column, point_in_time=False) for column in columns)


SESSION = Column("session", DAY, "trading day at whose close the row was known")
TICKER = Column("ticker", TEXT, "B3's code of the paper (CODNEG)")
CURRENT_TICKER = Column(
    "ticker",
    TEXT,
    "B3's code of the paper in the last session known: a rename renames its past as well",
    point_in_time=False,
)
MODEL = Column("model", TEXT, "name of the model or baseline")
MODEL_VERSION = Column(
    "model_version",
    TEXT,
    "version in the registry; `baseline` for a baseline, `3+4` for the average of random_forest 3"
    " and lstm 4",
)
MEASURED_VERSION = replace(
    MODEL_VERSION,
    meaning=MODEL_VERSION.meaning + "; `walk-forward` for a model trained anew for each window",
)

SESSIONS_LATE = Column(
    "sessions_late",
    SMALL,
    "sessions that had closed after `session` without a file when it was said: it was asked about"
    " the last of them",
    "sessions",
    minimum=0,
    maximum=5,
    default=0,
)

RAW_QUOTES = Table(
    "raw_quotes",
    "one record as B3 wrote it, decoded; prices not divided by FATCOT",
    ("session", "ticker", "market_type", "forward_days"),
    (
        SESSION,
        TICKER,
        Column("market_type", TEXT, "B3's market code (TPMERC): 010 is the spot market"),
        Column("bdi_code", TEXT, "section of B3's bulletin (CODBDI)"),
        Column("company", TEXT, "short name of the issuer (NOMRES)"),
        Column("specification", TEXT, "kind of paper and its flags (ESPECI)"),
        Column(
            "forward_days",
            WHOLE,
            "term of a forward contract (PRAZOT); missing for other papers",
            "days",
            required=False,
        ),
        Column("currency", TEXT, "reference currency (MODREF)"),
        _quoted("open", "first trade (PREABE)"),
        _quoted("high", "highest trade (PREMAX)"),
        _quoted("low", "lowest trade (PREMIN)"),
        _quoted("average", "volume-weighted average (PREMED)", required=False),
        _quoted("close", "last trade (PREULT)"),
        _quoted("best_bid", "best bid at the close (PREOFC); 0 if none"),
        _quoted("best_ask", "best ask at the close (PREOFV); 0 if none"),
        Column(
            "trades",
            WHOLE,
            "number of trades (TOTNEG, five digits: 99,999 means that or more)",
            "trades",
            required=False,
            minimum=0,
        ),
        Column("quantity", WHOLE, "shares traded (QUATOT)", "shares", minimum=0),
        Column("volume_brl", NUMBER, "traded value (VOLTOT)", "R$", minimum=0),
        _quoted("strike_price", "strike of an option or value of a forward (PREEXE)"),
        Column("strike_indexer", TEXT, "how a strike is corrected (INDOPC)"),
        Column("expiry", DAY, "expiry of a derivative (DATVEN)", required=False),
        Column("quotation_factor", WHOLE, "shares per quoted price (FATCOT)", "shares", minimum=1),
        Column(
            "strike_points", NUMBER, "strike in points, of US$-linked options (PTOEXE)", "points"
        ),
        Column("isin", TEXT, "ISIN of the paper (CODISI)"),
        Column("distribution_number", WHOLE, "steps at each corporate action (DISMES)", minimum=0),
        Column("source_file", TEXT, "name of the file that the record was read from"),
        Column("year", SMALL, "calendar year of the session; the table is partitioned by it"),
    ),
    partition_by=("year",),
)

INGESTED_FILES = Table(
    "ingested_files",
    "one market file (or part of a table) that was read, as it was when last read",
    ("file",),
    (
        Column("file", TEXT, "name of the file, or of the part of the table"),
        Column("origin", TEXT, "whose prices it holds: B3, or how the market was simulated"),
        Column(
            "digest",
            TEXT,
            "of its content; another digest means it is read again. Missing while it is being"
            " written: a run that was killed then reads it again",
            required=False,
        ),
        Column("kind", TEXT, "period it covers", values=("yearly", "monthly", "daily")),
        Column("generated_on", DAY, "day on which it was generated, from B3's header"),
        Column("first_session", DAY, "first session of the records kept", required=False),
        Column("last_session", DAY, "last session of the records kept", required=False),
        Column("n_quotes", WHOLE, "records it holds; equal to its trailer", "records", minimum=0),
        Column("n_filtered", WHOLE, "records of markets not asked for", "records", minimum=0),
        Column("n_rejected", WHOLE, "records that cannot be true", "records", minimum=0),
        Column("n_kept", WHOLE, "records left", "records", minimum=0),
    ),
)

INGESTED_SESSIONS = Table(
    "ingested_sessions",
    "one session in one market file: does that file speak for it",
    ("file", "session"),
    (
        Column("file", TEXT, "name of the file, as in `ingested_files`"),
        SESSION,
        Column("n_kept", WHOLE, "records of the session that were kept", "records", minimum=1),
        Column(
            "speaks",
            FLAG,
            "whether `raw_quotes` holds this file's records of it; missing while they are written",
            required=False,
        ),
    ),
)

REJECTED_RECORDS = Table(
    "rejected_records",
    "one record that can be read but cannot be true, and is in no other table",
    ("file", "line"),
    (
        Column("file", TEXT, "name of the file, as in `ingested_files`"),
        Column("line", WHOLE, "line of the file, the header's being 1", minimum=1),
        SESSION,
        TICKER,
        Column("market_type", TEXT, "B3's market code (TPMERC)"),
        Column("field", TEXT, "B3's name of the field that gives it away"),
        Column("value", TEXT, "what the field says"),
        Column("reason", TEXT, "why that cannot be"),
    ),
)

CASH_KINDS = ("cash_dividend",)
SHARE_KINDS = ("split", "grouping", "bonus")
OTHER_KINDS = ("subscription", "spin_off", "other")
ACTION_KINDS = (*CASH_KINDS, *SHARE_KINDS, *OTHER_KINDS)
ACTION_SOURCES = ("csv", "b3", "yahoo", "duckdb", "inferred")

CORPORATE_ACTIONS = Table(
    "corporate_actions",
    "one split, grouping, bonus, dividend or other right of one ticker on its ex-date",
    ("ticker", "ex_date", "kind"),
    (
        CURRENT_TICKER,
        Column("ex_date", DAY, "first session without the right"),
        Column(
            "kind",
            TEXT,
            f"kind of event; {', '.join(OTHER_KINDS)} are listed and change no price",
            values=ACTION_KINDS,
        ),
        Column(
            "amount_brl",
            NUMBER,
            "cash per share as held on the last session with the right; several dividends of"
            " one day are added",
            "R$ per share",
            required=False,
            minimum=0.0,
        ),
        Column(
            "factor",
            NUMBER,
            "shares after / shares before: split 1→2 is 2, grouping 10→1 is 0.1, bonus 3 % is 1.03",
            "ratio",
            required=False,
            minimum=0.0,
        ),
        Column("source", TEXT, "who says so", values=ACTION_SOURCES),
        _share("confidence", "probability that it happened as stated; 1 unless inferred"),
        Column(
            "evidence",
            TEXT,
            "of an inferred event: what gave it away; else B3's name of it, where known",
            required=False,
        ),
        Column(
            "disputed",
            TEXT,
            "what another source says instead, if it differs by more than 1 %; missing where none"
            " does",
            required=False,
        ),
    ),
)

RENAMES = Table(
    "renames",
    "one change of a paper's code: it goes on trading under another",
    ("old_ticker", "first_session"),
    (
        Column("old_ticker", TEXT, "B3's code until then"),
        Column("new_ticker", TEXT, "B3's code from then on"),
        Column("first_session", DAY, "first session under the new code"),
    ),
)

_PER_SHARE = "raw_quotes.quotation_factor"

QUOTES = Table(
    "quotes",
    "one ticker in one session: spot trades in standard lots, R$ per share",
    ("ticker", "session"),
    (
        replace(CURRENT_TICKER, comes_from=("raw_quotes.ticker",)),
        SESSION,
        Column("traded_as", TEXT, "B3's code that day", comes_from=("raw_quotes.ticker",)),
        Column("company", TEXT, "short name of the issuer", comes_from=("raw_quotes.company",)),
        Column(
            "specification",
            TEXT,
            "kind of paper and its flags",
            comes_from=("raw_quotes.specification",),
        ),
        Column("isin", TEXT, "ISIN of the paper", comes_from=("raw_quotes.isin",)),
        Column("bdi_code", TEXT, "section of B3's bulletin", comes_from=("raw_quotes.bdi_code",)),
        _price("open", "first trade", comes_from=("raw_quotes.open", _PER_SHARE)),
        _price("high", "highest trade", comes_from=("raw_quotes.high", _PER_SHARE)),
        _price("low", "lowest trade", comes_from=("raw_quotes.low", _PER_SHARE)),
        _price(
            "average",
            "average trade; missing where the source does not say",
            required=False,
            comes_from=("raw_quotes.average", _PER_SHARE),
        ),
        _price("close", "last trade", comes_from=("raw_quotes.close", _PER_SHARE)),
        _price(
            "best_bid",
            "best bid at the close",
            required=False,
            comes_from=("raw_quotes.best_bid", _PER_SHARE),
        ),
        _price(
            "best_ask",
            "best ask at the close",
            required=False,
            comes_from=("raw_quotes.best_ask", _PER_SHARE),
        ),
        Column(
            "trades",
            WHOLE,
            "number of trades; missing where the source does not say",
            "trades",
            required=False,
            minimum=0,
            comes_from=("raw_quotes.trades",),
        ),
        Column(
            "quantity",
            WHOLE,
            "shares traded",
            "shares",
            minimum=0,
            comes_from=("raw_quotes.quantity",),
        ),
        Column(
            "volume_brl",
            NUMBER,
            "traded value",
            "R$",
            minimum=0,
            comes_from=("raw_quotes.volume_brl",),
        ),
        Column(
            "distribution_number",
            WHOLE,
            "steps at each corporate action",
            comes_from=("raw_quotes.distribution_number",),
        ),
        Column(
            "split_factor",
            NUMBER,
            "shares that one share of the first session has become by splits, groupings, bonuses",
            "ratio",
            minimum=0.0,
            comes_from=("corporate_actions.factor",),
        ),
        Column(
            "dividend_factor",
            NUMBER,
            "growth of the holding since the first session by reinvested cash dividends",
            "ratio",
            minimum=1.0,
            comes_from=("corporate_actions.amount_brl",),
        ),
        *(
            Column(
                f"adjusted_{part}",
                NUMBER,
                f"{part} × split_factor × dividend_factor: a return index that starts at the"
                " first session's price, which nothing that happens later changes",
                "R$ of the ticker's first session",
                minimum=0.0,
                comes_from=(f"raw_quotes.{part}", _PER_SHARE, "corporate_actions.factor"),
            )
            for part in ("open", "high", "low", "close")
        ),
    ),
)

ASSET_CLASSES = ("common", "preferred", "unit", "real_estate_fund", "etf", "bdr", "other")

UNIVERSE = Table(
    "universe",
    "one ticker in one session: is it liquid enough to be forecast, known that day",
    ("ticker", "session"),
    (
        CURRENT_TICKER,
        SESSION,
        Column(
            "asset_class",
            TEXT,
            "kind of paper",
            values=ASSET_CLASSES,
        ),
        Column(
            "traded_value_brl",
            NUMBER,
            "median traded value of the last 63 sessions, a session without trades counting 0",
            "R$ a session",
            minimum=0.0,
        ),
        _share("traded_share", "share of the last 63 sessions in which it traded"),
        Column("in_universe", FLAG, "liquid enough to be learned from and forecast"),
        Column(
            "reason",
            TEXT,
            "why it is out: empty, or the first rule it fails",
            values=("", "asset_class", "too_new", "too_few_sessions", "too_little_value"),
        ),
    ),
)

FEATURES = Table(
    "features",
    "one ticker in one session t: what was known at the close of t",
    ("ticker", "session"),
    (CURRENT_TICKER, SESSION),  # the catalogue in dataset/features.py adds a column per feature
)

HORIZONS = (1, 2, 3, 4, 5)
"""Sessions ahead that a model forecasts directly, and that the labels know."""

PATH_HORIZONS = tuple(range(1, 31))
"""Sessions ahead that are predicted: beyond the last direct horizon the expected return stays as
it is, and the interval says how little that means."""

LABELS = Table(
    "labels",
    "one ticker in one session t: what happened after t, missing where it is not known yet;"
    " `signal_cluster` alone is no label but a function of the features of t",
    ("ticker", "session"),
    (
        CURRENT_TICKER,
        SESSION,
        *_known_later(
            *(
                Column(
                    f"realised_return_{h}d",
                    NUMBER,
                    f"adjusted close of t+{h} / adjusted close of t - 1",
                    "fraction",
                    required=False,
                    minimum=-1.0,
                )
                for h in HORIZONS
            ),
            *(
                Column(
                    f"realised_return_tradable_{h}d",
                    NUMBER,
                    f"adjusted close of t+{1 + h} / adjusted close of t+1 - 1",
                    "fraction",
                    required=False,
                    minimum=-1.0,
                )
                for h in HORIZONS
            ),
            *(
                Column(
                    f"return_rank_{h}d",
                    NUMBER,
                    f"Gaussian rank of realised_return_tradable_{h}d among session t's universe",
                    "standard normal quantile",
                    required=False,
                )
                for h in HORIZONS
            ),
            Column(
                "action",
                TEXT,
                "buy or sell where realised_return_1d exceeds half the trailing volatility up or"
                " down, else hold; missing where the return is",
                required=False,
                values=ACTION_NAMES,
            ),
            Column(
                "action_triple_barrier",
                TEXT,
                "buy or sell as a close of t+1 to t+5 first exceeds half the trailing volatility of"
                " five sessions (volatility_21d × √5 / 2) up or down from the close of t; hold"
                " if none does; missing where realised_return_5d or the volatility is",
                required=False,
                values=ACTION_NAMES,
            ),
            Column(
                "triple_barrier_touch",
                DAY,
                "session whose close decided action_triple_barrier; t+5 where that is hold",
                required=False,
            ),
            _share(
                "uniqueness",
                "mean, over the sessions after t up to span_end, of 1 / the number of the ticker's"
                " rows whose span holds that session: a weight for overlapping labels",
                required=False,
            ),
            _share(
                "uniqueness_triple_barrier",
                "the same with each span ending at its triple_barrier_touch",
                required=False,
            ),
            *(
                Column(
                    f"is_halted_{ahead}d",
                    FLAG,
                    f"the ticker did not trade at t+{ahead}: a return from or to that session uses"
                    " its last price",
                    required=False,
                )
                for ahead in range(1, 2 + max(HORIZONS))
            ),
            Column(
                "span_end", DAY, "last session that any label of the row looks at", required=False
            ),
        ),
        Column(
            "signal_cluster",
            TEXT,
            "NOT a label: computed from the features of session t itself, for comparison only; a"
            " model that scores 100 % on it has predicted nothing. buy if rsi_14 < 30 and macd > 0"
            " and volume_change > 0; sell if rsi_14 > 70 and price_momentum_5 < 0 and"
            " volume_change < 0; else hold; missing where one of them is",
            required=False,
            values=ACTION_NAMES,
        ),
    ),
)

FOLDS = Table(
    "folds",
    "one session and the role it plays in one window; purged sessions have no row",
    ("window", "session"),
    (
        Column("window", TEXT, "name of the split; `holdout` is the one the pipeline makes"),
        SESSION,
        Column("role", TEXT, "what it is used for", values=("train", "validation", "test")),
    ),
)

SCALINGS = Table(
    "scalings",
    "one feature's scaling in one window, from the labelled rows that the window trains on",
    ("window", "feature"),
    (
        Column("window", TEXT, "name of the split in `folds`"),
        Column("feature", TEXT, "column of `features`"),
        Column("centre", NUMBER, "median; 0 if the feature is always missing", "the feature's"),
        Column(
            "scale",
            NUMBER,
            "interquartile range / 1.349; if the middle half is one value, the median distance from"
            " it of those that differ; 1 if none does",
            "the feature's",
            minimum=0.0,
        ),
        Column("n_rows", WHOLE, "rows that have the feature", "rows", minimum=0),
    ),
)

FORECASTS_OUT_OF_SAMPLE = Table(
    "forecasts_out_of_sample",
    "one forecast of one model version for one ticker, session and horizon, beside its outcome,"
    " which is known (the tradable one need not be): horizons 1 to 5, and the action's, of every"
    " test session; 6 to 30, for the models and `naive`, of every fifth, counted from the first",
    ("window", "model", "model_version", "horizon", "ticker", "session"),
    (
        Column(
            "window",
            TEXT,
            "`holdout`, the window of a scoped experiment, or the test window of a walk-forward:"
            " `2018H1`, `2018Q1` or `2018`",
        ),
        SESSION,
        Column("target_session", DAY, "session that the forecast is about"),
        TICKER,
        MODEL,
        MEASURED_VERSION,
        Column("horizon", SMALL, "sessions ahead", "sessions", minimum=1, maximum=30),
        Column("score", NUMBER, "orders tickers within a session, higher is better"),
        Column("expected_return", NUMBER, "forecast of realised_return", "fraction"),
        *(
            _share(
                f"probability_{action}",
                "forecast for the action horizon; missing otherwise",
                required=False,
            )
            for action in ACTION_NAMES
        ),
        Column("return_low", NUMBER, "lower end of the 90 % interval", "fraction", required=False),
        Column("return_high", NUMBER, "upper end of the 90 % interval", "fraction", required=False),
        Column("last_close", NUMBER, "close of t", "R$ per share", minimum=0.0),
        *_known_later(
            Column(
                "realised_return", NUMBER, "adjusted close of t → t+h", "fraction", minimum=-1.0
            ),
            Column(
                "realised_return_tradable",
                NUMBER,
                "adjusted close of t+1 → t+1+h; missing where the ticker has no trade after t+1 up"
                " to then, where that is past the data, and beyond the direct horizons",
                "fraction",
                required=False,
                minimum=-1.0,
            ),
            Column(
                "realised_label",
                TEXT,
                "the action that would have been right; missing beyond the action horizon",
                required=False,
                values=ACTION_NAMES,
            ),
        ),
    ),
    partition_by=("window",),
    volatile=("model_version",),
)

EVALUATION = Table(
    "evaluation",
    "one metric of one model version in one window, beside the naive forecast's",
    ("model", "model_version", "window", "horizon", "metric"),
    (
        MODEL,
        MEASURED_VERSION,
        Column(
            "window",
            TEXT,
            "sessions it was measured on, named in `forecasts_out_of_sample`; `walk_forward`: those"
            " of all test windows of the walk-forward together",
        ),
        Column("horizon", SMALL, "sessions ahead", "sessions", minimum=1, maximum=30),
        Column("metric", TEXT, "name of the metric; formulas in evaluation/metrics.py"),
        Column("value", NUMBER, "the metric; missing where it has no meaning", required=False),
        Column("low", NUMBER, "lower end of its 95 % interval", required=False),
        Column("high", NUMBER, "upper end of its 95 % interval", required=False),
        Column(
            "naive_value",
            NUMBER,
            "the same metric of the naive forecast on the same rows",
            required=False,
        ),
        Column("naive_name", TEXT, "which naive forecast stands beside it"),
        Column(
            "best_baseline",
            TEXT,
            "who of naive, prior, majority, always_up, momentum and reversal, and of the direction"
            " always_down, is best at the metric on these rows; missing for themselves, where none"
            " has the metric, and where skill is not asked",
            required=False,
        ),
        Column("best_value", NUMBER, "what it reaches on the same rows", required=False),
        Column(
            "skill",
            NUMBER,
            "above 0 is better than best_baseline: 1 - value / best_value where less is better,"
            " value - best_value where more is; missing where it is not asked (coverage, width, t,"
            " calibration)",
            required=False,
        ),
        Column("skill_low", NUMBER, "lower end of its paired 95 % interval", required=False),
        Column("skill_high", NUMBER, "upper end of its paired 95 % interval", required=False),
        _share(
            "p_value",
            "two-sided, of Diebold and Mariano's test that the model and best_baseline are alike on"
            " the mean session; missing where the metric is no mean over sessions",
            required=False,
        ),
        Column("first_session", DAY, "first session measured"),
        Column("last_session", DAY, "last session measured"),
        Column(
            "n_sessions",
            WHOLE,
            "sessions measured; missing in rows of an earlier program",
            "sessions",
            required=False,
            minimum=1,
        ),
        Column("n_forecasts", WHOLE, "forecasts measured", "rows", minimum=1),
    ),
    volatile=("model_version",),
)

WALK_FORWARD_SUMMARY = replace(
    EVALUATION,
    name="walk_forward_summary",
    row="one metric of one model in one test window of the walk-forward, or, as window"
    " `walk_forward`, in all of them together, beside the naive forecast's",
)

DECISIONS = ("promoted", "kept", "confirmed", "promoted_by_hand", "rolled_back")

CHAMPIONS = Table(
    "champions",
    "the version of one model that serves, and the decision that put or kept it there",
    ("model",),
    (
        MODEL,
        MODEL_VERSION,
        Column("status", TEXT, "has it shown skill", values=("proven", "unproven")),
        Column("candidate_version", TEXT, "the version that was judged last"),
        Column("decision", TEXT, "what became of it", values=DECISIONS),
        Column("reason", TEXT, "the decision in words, with its numbers"),
        Column("trained_at", INSTANT, "when the serving version was last trained"),
        Column("training_end", DAY, "last session the serving version learned from"),
        Column("bundle", TEXT, "digest of its bundle"),
    ),
    volatile=("model_version", "candidate_version", "trained_at"),
)

PROMOTIONS = Table(
    "promotions",
    "one decision about which version of one model serves",
    ("model", "decided_at"),
    (
        MODEL,
        Column("decided_at", INSTANT, "when; later than every decision before it"),
        Column("candidate_version", TEXT, "the version that was judged or asked for"),
        Column("incumbent_version", TEXT, "the version that served until then; empty: none"),
        Column(
            "decision",
            TEXT,
            "what became of it: by the rule the first three, by hand the others; `kept`: who served"
            " goes on serving",
            values=DECISIONS,
        ),
        replace(MODEL_VERSION, meaning="the version that serves from then on; empty: none"),
        Column("status", TEXT, "has it shown skill", values=("proven", "unproven")),
        Column("reason", TEXT, "the decision in words, with its numbers"),
        Column("by", TEXT, "who decided", values=("rule", "person")),
        Column("bundle", TEXT, "digest of the serving version's bundle", required=False),
        Column("training_end", DAY, "last session that version learned from", required=False),
        Column("trained_at", INSTANT, "when that version was last trained", required=False),
    ),
    volatile=(
        "decided_at",
        "candidate_version",
        "incumbent_version",
        "model_version",
        "trained_at",
    ),
)

REFUSED = ("stale_quote", "illiquid", "model_expired")
"""Reasons of a row without action and numbers: `predictions/refusals.py`."""

MARKED = ("late_data", "out_of_distribution")
"""Reasons to doubt a row that keeps them."""

REFUSALS = ("", *REFUSED, *MARKED)

PREDICTIONS = Table(
    "predictions",
    "what one model said at the close of one session of one ticker at one of thirty horizons; where"
    " the next session's file did not come, what it said again a session later",
    ("model", "ticker", "session", "horizon", "sessions_late"),
    (
        SESSION,
        Column("target_session", DAY, "session of B3's calendar that it is about"),
        TICKER,
        MODEL,
        MODEL_VERSION,
        Column(
            "horizon",
            SMALL,
            "sessions ahead of `session`; more than sessions_late",
            "sessions",
            minimum=1,
            maximum=30,
        ),
        SESSIONS_LATE,
        Column(
            "action",
            TEXT,
            "likeliest action of the session after `session`, which is over where the row is late;"
            " missing if refused",
            required=False,
            values=ACTION_NAMES,
        ),
        *(
            _share(
                f"probability_{action}",
                "calibrated probability of that action; missing if refused",
                required=False,
            )
            for action in ACTION_NAMES
        ),
        Column(
            "expected_return",
            NUMBER,
            "expected return; beyond five sessions what it is at five: the models say no more",
            "fraction",
            required=False,
        ),
        _price("last_close", "close of the last session traded"),
        _price("predicted_price", "last_close × (1 + expected_return)", required=False),
        _price(
            "price_low",
            "lower end of the 90 % interval, which is never narrower at a later horizon and ends"
            " at 0",
            required=False,
        ),
        _price("price_high", "upper end of the 90 % interval", required=False),
        Column("status", TEXT, "has the model shown skill", values=("proven", "unproven")),
        Column(
            "reason",
            TEXT,
            "why the row was refused (stale_quote, illiquid, model_expired) or is to be doubted"
            " (late_data, out_of_distribution); empty if neither",
            values=REFUSALS,
        ),
        Column("created_at", INSTANT, "when it was first written; it is never rewritten"),
    ),
    volatile=("model_version", "created_at"),
    append_only=True,
)

OUTCOMES = Table(
    "outcomes",
    "one prediction met by the close of its target session, exactly once",
    ("model", "ticker", "session", "horizon", "sessions_late"),
    (
        SESSION,
        Column("target_session", DAY, "session that the prediction was about"),
        TICKER,
        MODEL,
        MODEL_VERSION,
        Column("horizon", SMALL, "sessions ahead", "sessions", minimum=1, maximum=30),
        SESSIONS_LATE,
        Column("expected_return", NUMBER, "what was said", "fraction"),
        Column(
            "realised_return", NUMBER, "adjusted return that came true", "fraction", minimum=-1.0
        ),
        Column("absolute_error", NUMBER, "|realised - expected|", "fraction", minimum=0.0),
        Column(
            "naive_absolute_error",
            NUMBER,
            "|realised|: the error of 'tomorrow = today'",
            "fraction",
            minimum=0.0,
        ),
        _price("predicted_price", "what was said"),
        _price(
            "realised_price",
            "last_close × (1 + realised_return): comparable whatever happened in between",
        ),
        Column("is_within_interval", FLAG, "price_low ≤ realised_price ≤ price_high"),
        Column(
            "is_halted",
            FLAG,
            "the ticker did not trade in the target session, or no file of it came: its last price"
            " stands",
        ),
    ),
    volatile=("model_version",),
    append_only=True,
)

LIVE_METRICS = Table(
    "live_metrics",
    "one model in one month: how its forecasts of the next session came out",
    ("model", "month"),
    (
        MODEL,
        Column("month", TEXT, "of the sessions forecast, as 2024-02"),
        Column("n_sessions", WHOLE, "sessions forecast in time", "sessions", minimum=0),
        Column(
            "n_predictions",
            WHOLE,
            "forecasts made before their session opened; the figures are of these",
            "rows",
            minimum=0,
        ),
        Column("n_met", WHOLE, "of them, those whose outcome is known", "rows", minimum=0),
        Column("n_refused", WHOLE, "forecasts refused", "rows", minimum=0),
        Column(
            "n_late",
            WHOLE,
            "forecasts from an older session, because the file of the last one had not come",
            "rows",
            minimum=0,
        ),
        Column(
            "n_caught_up",
            WHOLE,
            "other forecasts made after their session had opened, which are no live ones",
            "rows",
            minimum=0,
        ),
        _share(
            "share_in_time",
            "n_predictions / (n_predictions + n_late + n_caught_up); missing if all were refused",
            required=False,
        ),
        Column(
            "rank_ic",
            NUMBER,
            "mean over sessions of Spearman's correlation between expected and realised return",
            required=False,
            minimum=-1.0,
            maximum=1.0,
        ),
        Column("rank_ic_low", NUMBER, "lower end of its 95 % interval", required=False),
        Column("rank_ic_high", NUMBER, "upper end of its 95 % interval", required=False),
        _share(
            "hit_rate",
            "share of expected moves with the sign of the realised one, where neither is 0",
            required=False,
        ),
        _share(
            "naive_hit_rate",
            "what saying the commoner sign of the month throughout would score on the same rows",
            required=False,
        ),
        Column("mae", NUMBER, "mean of |realised - expected|", "fraction", required=False),
        Column("naive_mae", NUMBER, "the same of 'no change'", "fraction", required=False),
        _share("coverage", "outcomes within their 90 % interval: .90 is right", required=False),
    ),
)

DRIFT = Table(
    "drift",
    "one column of what a model reads or says, the last sessions beside what it was made from",
    ("model", "subject", "column"),
    (
        MODEL,
        MODEL_VERSION,
        Column(
            "subject",
            TEXT,
            "`inputs`, beside what it learned from; `predictions`, beside its holdout",
            values=("inputs", "predictions"),
        ),
        Column("column", TEXT, "name of the feature, or of what is said"),
        Column("reference_first", DAY, "first session of the reference"),
        Column("reference_last", DAY, "last session of the reference"),
        Column("current_first", DAY, "first session compared with it"),
        Column("current_last", DAY, "last session compared with it"),
        Column("n_reference", WHOLE, "values of the reference", "rows", minimum=0),
        Column("n_current", WHOLE, "values compared with them", "rows", minimum=0),
        Column("psi", NUMBER, "population stability index", required=False, minimum=0.0),
        Column(
            "psi_label",
            TEXT,
            "what PSI is called by custom: moderate from .1, large from .2; no alarm follows it",
            values=("stable", "moderate", "large"),
        ),
        Column("psi_threshold", NUMBER, "PSI that windows of the reference rarely exceed"),
        _share("ks", "Kolmogorov-Smirnov distance", required=False),
        _share(
            "ks_p_value",
            "its textbook p-value with Holm's correction, as if rows were independent; no alarm"
            " follows it",
            required=False,
        ),
        Column("ks_threshold", NUMBER, "distance that windows of the reference rarely exceed"),
        Column("severity", NUMBER, "how unlike, 1 being where both thresholds are"),
        Column("is_drifting", FLAG, "severity above 1"),
        Column(
            "alarm_since",
            DAY,
            "session at which the alarm of the model's subject began; missing if none stands",
            required=False,
        ),
    ),
    volatile=("model_version",),
)

VERDICTS = ("missing", "broken", "losing_skill", "drifting", "stale", "fresh")
"""Of a model's health, the first that holds: `predictions/health.py`."""

MODEL_HEALTH = Table(
    "model_health",
    "one model: should it be trusted today, and why",
    ("model",),
    (
        MODEL,
        Column("model_version", TEXT, "version that serves; missing if none", required=False),
        Column("verdict", TEXT, "one word", values=VERDICTS),
        Column("reason", TEXT, "all reasons in words, with their numbers"),
        Column(
            "causes",
            TEXT,
            "every verdict that holds, but `fresh`, joined by commas in their order; empty if none",
        ),
        Column("trained_at", INSTANT, "when it was last trained", required=False),
        Column("age_days", NUMBER, "days since then", "days", required=False),
        Column("training_end", DAY, "last session it learned from", required=False),
        Column(
            "age_sessions",
            WHOLE,
            "sessions that have closed since that one; missing where the last closed one is not"
            " known",
            "sessions",
            required=False,
            minimum=0,
        ),
        Column("checked_at", INSTANT, "clock that the age was reckoned by"),
    ),
    volatile=("model_version", "reason", "trained_at", "age_days", "checked_at"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_QUOTES,
        INGESTED_FILES,
        INGESTED_SESSIONS,
        REJECTED_RECORDS,
        CORPORATE_ACTIONS,
        RENAMES,
        QUOTES,
        UNIVERSE,
        FEATURES,
        LABELS,
        FOLDS,
        SCALINGS,
        FORECASTS_OUT_OF_SAMPLE,
        EVALUATION,
        WALK_FORWARD_SUMMARY,
        CHAMPIONS,
        PROMOTIONS,
        PREDICTIONS,
        OUTCOMES,
        LIVE_METRICS,
        DRIFT,
        MODEL_HEALTH,
    )
}
"""Every table, in the order data flows."""


def widen(table: Table, columns: Iterable[Column]) -> Table:
    """The same table with more columns at its end."""
    return replace(table, columns=(*table.columns, *columns))
