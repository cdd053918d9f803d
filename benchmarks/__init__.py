"""Ratios beside the alternative a user has: ``python -m benchmarks``."""
