"""Terraform's errors with a cause and a next step in one line each, by the patterns in ``explanations.yaml``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError

EXPLANATIONS: list[dict[str, Any]] = files.read_yaml(Path(__file__).with_name("explanations.yaml"))


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning of Terraform; ``where`` is the resource's address or the place in a file, or empty."""

    severity: str
    summary: str
    detail: str
    where: str = ""


class TerraformError(PipelineError):
    """Terraform failed; explains the first error that has an explanation, else repeats the first one.

    ``name`` is the environment, or ``bootstrap``; ``about_service`` means that the service on ECS knows more.
    """

    def __init__(self, errors: Sequence[Diagnostic], *, name: str, log: Path | None) -> None:
        entry, values = _explanation(errors)
        # Bootstrap is reached by way of an environment of its account.
        reached, file = ("NAME --bootstrap", "*") if name == "bootstrap" else (name, name)
        values |= {"name": name, "reached": reached, "file": f"environments/{file}.yaml"}
        cause, next_step = (entry[key].format_map(values) for key in ("cause", "next"))
        super().__init__(cause, next_step=next_step, log=log)
        self.about_service = bool(entry.get("service"))


def diagnostic(message: Mapping[str, Any]) -> Diagnostic | None:
    """The diagnostic in one line of ``terraform … -json``, or None when it is another message."""
    content = message.get("diagnostic")
    if message.get("type") != "diagnostic" or not isinstance(content, dict):
        return None
    place = content.get("range")
    line = f"{place['filename']}:{place['start']['line']}" if place else ""
    keys = ("severity", "summary", "detail")
    severity, summary, detail = (str(content.get(key, "")).strip() for key in keys)
    return Diagnostic(severity, summary, detail, str(content.get("address") or line))


def _explanation(errors: Sequence[Diagnostic]) -> tuple[Mapping[str, Any], dict[str, str]]:
    """An entry of ``explanations.yaml`` with the values to fill in."""
    for error in errors:
        for entry in EXPLANATIONS:
            text = f"{error.summary}\n{error.detail}"
            if match := re.search(entry["pattern"], text, re.IGNORECASE):
                values = {
                    "address": error.where or "ADDRESS",
                    "where": error.where or error.summary,
                    "detail": error.detail,
                    **match.groupdict(default=""),
                }
                return entry, {key: _one_line(value) for key, value in values.items()}
    cause = "Terraform ended without an error message"
    if errors:
        where = f" ({errors[0].where})" if errors[0].where else ""
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        cause = f"{_one_line(errors[0].summary)}{where}{more}"
    return {"cause": "{cause}", "next": "read the log"}, {"cause": cause}


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
