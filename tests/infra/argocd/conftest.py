"""The chart's rendering serves here as well."""

from tests.infra.helm.conftest import chart, render

__all__ = ["chart", "render"]
