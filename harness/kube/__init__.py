"""Talking to an API server: kubectl, waits, diagnosis, deploying, and what to keep when something fails."""
