"""Kubernetes: the cluster in use, its node, kind, helm."""
