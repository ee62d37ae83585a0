"""Diagrams of ``docs/diagrams``, made from Terraform, the chart and the workflows."""
