"""Clusters of other providers, really made: run by name only, `nox -s live -- providers`."""
