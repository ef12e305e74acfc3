"""The case's services: each runs as a process of its own, on a PostgreSQL started by the image's own entrypoint."""
