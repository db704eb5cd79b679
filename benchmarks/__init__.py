"""Benchmarks for every claim about speed: `python -m benchmarks`."""
