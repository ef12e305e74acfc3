"""Benchmarks: ``python -m harness.bench [NAME…]`` measures, merges artifacts/bench.json, and fails if a limit fails.

``figures`` is the data and its judgement, ``measurements`` what is run to get them, ``processes`` reads memory.
"""
