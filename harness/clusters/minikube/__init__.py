"""Clusters of Minikube: the node is a container of Docker or Podman."""
