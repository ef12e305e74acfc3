"""Clusters whose node is a container of Docker or Podman, whoever makes it: kind or Minikube."""
