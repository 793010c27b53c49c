"""Asset Predict: Brazilian stocks from B3's files to tomorrow's predictions."""

__version__ = "0.1.0"
