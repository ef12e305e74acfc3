"""The case's manifests: schemas and promises that hold without a cluster."""
