"""Evaluation: score estimates, derive improvements and intervals, answer the question."""
