"""Terraform's errors with a cause and a next step in one line each, by the patterns in ``explanations.yaml``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core.errors import PipelineError

EXPLANATIONS = Path(__file__).with_name("explanations.yaml")


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning of Terraform; ``where`` is the resource's address or the place in a file, or empty."""

    severity: str
    summary: str
    detail: str
    where: str = ""


@dataclass(frozen=True)
class Explanation:
    """A cause and a next step; ``service`` means that the service on ECS knows more."""

    cause: str
    next_step: str
    service: bool = False


class TerraformError(PipelineError):
    """Terraform failed; ``about_service`` when the service on ECS did not become steady."""

    def __init__(self, errors: Sequence[Diagnostic], *, name: str, log: Path | None) -> None:
        explanation = explain(errors, name=name)
        super().__init__(explanation.cause, next_step=explanation.next_step, log=log)
        self.about_service = explanation.service


def diagnostic(message: Mapping[str, Any]) -> Diagnostic | None:
    """The diagnostic in one line of ``terraform … -json``, or None when it is another message."""
    content = message.get("diagnostic")
    if message.get("type") != "diagnostic" or not isinstance(content, dict):
        return None
    place = content.get("range")
    line = f"{place['filename']}:{place['start']['line']}" if place else ""
    return Diagnostic(
        severity=str(content.get("severity", "")),
        summary=str(content.get("summary", "")).strip(),
        detail=str(content.get("detail", "")).strip(),
        where=str(content.get("address") or line),
    )


def explain(errors: Sequence[Diagnostic], *, name: str) -> Explanation:
    """Explains the first error that has an explanation, else repeats the first one.

    Args:
        name: The environment, or ``bootstrap``.
    """
    for error in errors:
        text = f"{error.summary}\n{error.detail}"
        for entry in _explanations():
            match = re.search(entry["pattern"], text, re.IGNORECASE)
            if match:
                values = {
                    "name": name,
                    # Bootstrap is reached by way of an environment of its account.
                    "reached": "NAME --bootstrap" if name == "bootstrap" else name,
                    "address": error.where or "ADDRESS",
                    "where": error.where or _one_line(error.summary),
                    "detail": _one_line(error.detail),
                    **{key: _one_line(value or "") for key, value in match.groupdict().items()},
                }
                return Explanation(
                    entry["cause"].format_map(values),
                    entry["next"].format_map(values),
                    entry.get("service", False),
                )
    if not errors:
        return Explanation("Terraform ended without an error message", "read the log")
    first = errors[0]
    where = f" ({first.where})" if first.where else ""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Explanation(f"{_one_line(first.summary)}{where}{more}", "read the log")


@cache
def _explanations() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = YAML(typ="safe").load(EXPLANATIONS.read_text(encoding="utf-8"))
    return entries


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
