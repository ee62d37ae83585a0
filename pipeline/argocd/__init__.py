"""Argo CD: installation, applications, syncs, their failures, and the Git server it reads."""
