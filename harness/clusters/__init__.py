"""Clusters: the narrow protocol that providers fulfil, what *ready* means, the lease, and the providers."""
