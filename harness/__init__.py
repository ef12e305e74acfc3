"""A pytest-first conformance and chaos test harness for services on Kubernetes."""
