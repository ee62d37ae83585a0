"""The chart's rendering serves here as well."""

from tests.helm.conftest import render

__all__ = ["render"]
