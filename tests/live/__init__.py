"""Tests of the harness against real clusters: root on Linux, about five minutes."""
