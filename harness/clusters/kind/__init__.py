"""Clusters of kind, through pytest-kind: nodes are containers of the user's Docker or Podman."""
