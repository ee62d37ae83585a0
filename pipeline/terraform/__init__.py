"""Terraform: runs, roots, errors, drift, plan summary, cost."""
