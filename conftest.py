"""Loads the plugin, nothing else: a checkout works without being installed."""

pytest_plugins = ["harness.plugin"]
