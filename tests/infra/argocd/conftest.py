"""The chart's rendering serves here as well."""

from tests.infra.helm.conftest import render

__all__ = ["render"]
