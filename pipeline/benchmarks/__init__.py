"""Measurements of the path, as ratios in one run."""
