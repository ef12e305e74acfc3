"""Benchmarks: ``python -m harness.bench [NAME…]`` measures, merges artifacts/bench.json, and fails for a missed must.

``figures`` is the data and its judgement, ``measurements`` what is run to get them, ``processes`` reads memory.
"""
