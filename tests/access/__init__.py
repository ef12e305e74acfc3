"""Tests of ``harness.access``: no cluster."""
