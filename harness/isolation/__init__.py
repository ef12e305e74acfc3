"""Who can talk to whom: an exact model of NetworkPolicy, and the proof on a running cluster."""
