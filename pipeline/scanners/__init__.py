"""Policies, secrets and known vulnerabilities."""
