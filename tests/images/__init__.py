"""Tests of harness.images."""
