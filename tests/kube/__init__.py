"""Tests of ``harness.kube``: no cluster; the objects are written as a real one (v1.36) gives them."""
