"""Elastic Compute Cloud: networks."""
