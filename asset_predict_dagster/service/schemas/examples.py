"""Examples of answers, for the specification: one a model, numbers that go together, made up."""

from typing import Any

_RUN = "6ad9d6d0-4c1e-4f0c-8a3c-5f6f2d9a1c11"
_TRAINED = {"trained_at": "2024-01-01T09:00:00Z", "training_end": "2023-12-21"}
_SERVES = {"version": "3", "status": "proven"}
_UNDER_WAY = "the run goes on; ask /api/b3/status how it is getting on"

EXAMPLES: dict[str, dict[str, Any]] = {
    "PredictAnswer": {
        "status": "success",
        "ticker": "PETR4",
        "predictions": ["hold"],
        "prediction_probabilities": [[0.31, 0.42, 0.27]],
        "class_labels": ["buy", "hold", "sell"],
        "predicted_price": 37.83,
        "last_price": 37.78,
        "price_low": 36.46,
        "price_high": 39.21,
        "expected_return": 0.0013,
        "session": "2024-01-02",
        "target_session": "2024-01-03",
        "reason": "",
        "feature_importance": {"volatility_21d": 0.0081, "rsi_14": 0.0004},
        "features_used": ["volatility_21d", "rsi_14"],
        "model_type": "random_forest",
        "model_version": "3",
        "model_status": "proven",
        "model_source": "champion",
    },
    "RunAnswer": {"status": "running", "error": None, "run_id": _RUN, "job": "retrain"},
    "StatusAnswer": {
        "status": "completed",
        "error": None,
        "run_id": _RUN,
        "job": "daily_prediction",
        "pipeline_state": {
            "has_raw_data": True,
            "has_processed_data": True,
            "has_split_data": True,
            "has_trained_model": True,
        },
        "model_loaded": True,
        "models": {"random_forest": {**_SERVES, **_TRAINED}},
        "data_reachable": True,
        "data_session": "2024-01-02",
        "sessions_late": 0,
        "problem": None,
        "checks": {"status": "passed", "failed": []},
        "prediction_latency_ms": {"p50": 1.1, "p99": 3.9, "n": 2000},
    },
    "Started": {"status": "success", "message": _UNDER_WAY, "run_id": _RUN},
    "Loaded": {
        "status": "success",
        "message": "quotes from 2010-01-04 to 2024-01-02",
        "data_shape": [1204331, 4],
        "columns": ["ticker", "session", "open", "close"],
        "refused_files": [],
        "run_id": _RUN,
    },
    "Preprocessed": {
        "status": "success",
        "message": "features look back, targets look ahead; the last sessions have no target yet",
        "features_shape": [1204331, 4],
        "targets_shape": [1204331, 9],
        "feature_columns": ["log_return_1d", "volatility_21d"],
        "target_distribution": {"buy": 0.31, "hold": 0.4, "sell": 0.29},
        "run_id": _RUN,
    },
    "SplitAnswer": {
        "status": "success",
        "message": "sessions in order, apart by what the labels look ahead and five more",
        "train_size": 270113,
        "validation_size": 91020,
        "test_size": 94871,
        "run_id": _RUN,
    },
    "TrainingStarted": {
        "status": "success",
        "message": "the training is queued; ask /api/b3/training-status how it is getting on",
        "training_status": "running",
        "model_type": "random_forest",
        "run_id": _RUN,
    },
    "EvaluateAnswer": {
        "status": "success",
        "model_type": "random_forest",
        "model_version": "3",
        "evaluation": {
            "validation": {
                "metrics": {"log_loss": 1.078, "n_rows": 90.0},
                "first_session": "2021-03-01",
                "last_session": "2022-06-30",
                "confusion_matrix": [[10, 12, 8], [9, 14, 7], [9, 11, 10]],
                "labels": ["buy", "hold", "sell"],
            },
            "test": {
                "metrics": {"accuracy": 0.36, "rank_ic": 0.021},
                "intervals": {"rank_ic": [0.006, 0.036]},
                "first_session": "2022-07-11",
                "last_session": "2023-12-28",
                "confusion_matrix": [[11, 13, 9], [10, 14, 10], [9, 13, 11]],
                "labels": ["buy", "hold", "sell"],
            },
        },
        "horizon": 1,
        "regression": {"mae": 0.412, "rmse": 0.633, "mape": 0.0171, "r2": 0.9981},
        "baselines": {
            "naive_price": {"mae": 0.412, "rmse": 0.633, "mape": 0.0171, "r2": 0.9981},
            "prior": {"log_loss": 1.083},
        },
        "visualization_path": "reports/evaluation.html",
        "run_id": _RUN,
    },
    "SaveAnswer": {
        "status": "success",
        "message": "trained again, the same; it has skill: rank IC .021 (.006 to .036)",
        "model_path": "bundles/0f3b",
        "version": "3",
        "decision": "confirmed",
        "serving_version": "3",
        "run_id": _RUN,
    },
    "ClearAnswer": {
        "status": "success",
        "message": "what was split and trained without being promoted is forgotten; champions and"
        " data stay",
        "cancelled": [],
        "run_id": _RUN,
    },
    "ClearStarted": {
        "status": "success",
        "message": _UNDER_WAY,
        "cancelled": [],
        "run_id": _RUN,
    },
    "UpdateAnswer": {
        "status": "success",
        "message": "quotes from 2010-01-04 to 2024-01-02",
        "statistics": {"total_records": 1204331, "date_range": ["2010-01-04", "2024-01-02"]},
        "refused_files": [
            {
                "file": "COTAHIST_D02012024.TXT",
                "reason": "COTAHIST_D02012024.TXT, line 812: the trailer promises 900 records but"
                " the file has 810; download it again",
            }
        ],
        "run_id": _RUN,
    },
    "Checked": {"symbol": "PETR4", "model_exists": True, "message": "lstm 3 serves, proven"},
    "Measured": {
        "symbol": "PETR4",
        "metrics": {
            "MAE": 0.412,
            "RMSE": 0.633,
            "MAPE": 1.71,
            "R²": 0.9612,
            "naive_MAE": 0.413,
            "naive_RMSE": 0.632,
            "naive_MAPE": 1.71,
            "naive_R²": 0.9613,
            "last_data_date": "2023-12-28",
            "n_forecasts": 371,
            "training_duration": 184.2,
            "training_data_size": 270113,
            "validation_data_size": 91020,
            "model": "lstm",
            "model_version": "3",
        },
        "error": None,
    },
    "PredictedSymbols": {
        "predictions": {
            "PETR4": {
                "predicted_price": 37.83,
                "status": "success",
                "variation": {"status": "positive", "percentage": 0.13},
            },
            "PETR5": {"status": "failed", "error": "unknown_ticker: there is no paper PETR5"},
        }
    },
    "Retrained": {
        "message": "the models, which PETR4 shares with all tickers, are queued to be trained"
        " again",
        "run_id": _RUN,
    },
    "TaskQueued": {
        "task_id": _RUN,
        "status": "queued",
        "message": f"the training is queued; GET /api/v1/train/{_RUN} says how it is getting on",
    },
    "TaskAnswer": {
        "task_id": _RUN,
        "status": "completed",
        "ticker": "PETR4",
        "model_version": "lstm:4",
        "error": None,
    },
    "PathAnswer": {
        "ticker": "PETR4",
        "predictions": [
            {
                "session": "2024-01-03",
                "predicted_price": 37.83,
                "price_low": 36.46,
                "price_high": 39.21,
                "expected_return": 0.0013,
            }
        ],
        "generated_at": "2024-01-03T06:00:00Z",
        "model_version": "lstm:3",
        "model_status": "proven",
        "reason": "",
    },
    "DriftAnswer": {
        "has_drift": False,
        "drifted_features": [],
        "drift_scores": {"log_return_1d": 0.41, "volatility_21d": 0.77},
        "recommendation": "ok",
    },
    "HealthAnswer": {
        "status": "ok",
        "version": "0.1.0",
        "timestamp": "2024-01-03T12:00:00Z",
        "problem": None,
        "data_session": "2024-01-02",
        "sessions_late": 0,
        "snapshot_age_seconds": 21600.0,
        "checks": {"status": "passed", "failed": []},
        "prediction_latency_ms": {"p50": 1.1, "p99": 3.9, "n": 2000},
        "models": {"random_forest": _SERVES},
    },
    "AssetAnswer": {
        "ticker": "PETR4",
        "company": "PETROBRAS",
        "data": {"session": "2024-01-02", "close": 37.78, "rsi_14": 61.2, "day_of_week": 1},
    },
    "HistoryAnswer": {
        "ticker": "PETR4",
        "days": 1,
        "history": [
            {
                "session": "2024-01-02",
                "open": 37.22,
                "high": 37.98,
                "low": 37.1,
                "close": 37.78,
                "average": 37.64,
                "volume_brl": 902000000.0,
                "quantity": 23963868.0,
                "adjusted_close": 121.5,
            }
        ],
    },
    "AssetsAnswer": {
        "assets": [{"ticker": "PETR4", "company": "PETROBRAS"}],
        "pagination": {
            "page": 1,
            "page_size": 20,
            "total_count": 1,
            "total_pages": 1,
            "has_next": False,
            "has_prev": False,
        },
        "search_term": "PETR",
    },
}
"""Name of the model → what it may answer."""
