"""Tests of the checks and of the pure judgement behind them."""
