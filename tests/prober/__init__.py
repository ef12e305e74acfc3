"""Tests of harness.prober."""
