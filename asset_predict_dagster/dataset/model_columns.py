"""Which features each model is given: the catalogue offers more than a model gains from.

Chosen on the panel's test years 2014 to 2017 and on simulated markets that no figure of ours is
measured on; `docs/LOG.md` has every candidate with its result. Forest and LSTM both read the place
of a ticker among the others (ranks, which order returns), the mood of the market, and the raw
level of volatility, which tells hold from move and which ranks alone have lost.

`bid_ask_spread` and its rank are in neither: real data to measure them on are missing, since the
panel's spread is a centavo each way of a price that later splits have changed.
"""

from asset_predict_dagster.dataset.catalogue import OF_THE_MARKET, RANKS

FOREST_FEATURES: tuple[str, ...] = (
    "log_return_1d",
    "log_return_5d",
    "log_return_21d",
    "log_return_63d",
    "log_return_126d",
    "log_return_252d",
    "volatility_21d",
    "volatility_63d",
    "overnight_gap",
    "intraday_return",
    "close_location",
    "rsi_14",
    "macd_hist_over_close",
    "bollinger_position_20",
    "atr_14_over_close",
    "adx_14",
    "distance_to_sma_200",
    "distance_to_high_252d",
    "traded_value_surprise_1d",
    "traded_value_trend_21d",
    "illiquidity_21d",
    "max_return_21d",
    "market_return_1d",
    "market_return_21d",
    "market_volatility_21d",
    "rank_log_return_1d",
    "rank_log_return_5d",
    "rank_log_return_21d",
    "rank_log_return_126d",
    "rank_log_return_252d",
    "rank_volatility_63d",
    "rank_intraday_return",
    "rank_distance_to_high_252d",
    "rank_traded_value_surprise_1d",
    "rank_traded_value_trend_21d",
)
"""What the forest reads, in order: values and ranks, which a tree can take side by side."""

LSTM_FEATURES: tuple[str, ...] = (
    "rank_log_return_1d",
    "rank_log_return_5d",
    "rank_log_return_21d",
    "rank_log_return_63d",
    "rank_log_return_126d",
    "rank_log_return_252d",
    "rank_volatility_21d",
    "rank_volatility_63d",
    "rank_overnight_gap",
    "rank_intraday_return",
    "rank_distance_to_sma_20",
    "rank_distance_to_sma_50",
    "rank_distance_to_sma_200",
    "rank_distance_to_high_252d",
    "rank_distance_to_low_252d",
    "rank_traded_value_surprise_1d",
    "rank_traded_value_trend_21d",
    "rank_illiquidity_21d",
    "rank_max_return_21d",
    "rank_min_return_21d",
    "rank_beta_126d",
    "market_return_1d",
    "market_return_21d",
    "market_breadth_21d",
    "market_dispersion_21d",
    "market_volatility_21d",
    "volatility_21d",
    "volatility_63d",
    "parkinson_volatility_21d",
    "atr_14_over_close",
)
"""What the LSTM reads at each session, in order: all ranks, the market, the level of volatility."""

RIDGE_FEATURES: tuple[str, ...] = (
    *(feature.name for feature in RANKS),
    *(feature.name for feature in OF_THE_MARKET),
    "volatility_21d",
    "volatility_63d",
    "parkinson_volatility_21d",
)
"""Ranks order the tickers; the market's state and the level of a volatility tell hold from move."""
