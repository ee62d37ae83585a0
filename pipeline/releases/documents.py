"""Environment files, held against ``rules.yaml``: a refusal names file, line, key and what is allowed."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode

from pipeline.core.errors import PipelineError
from pipeline.core.paths import shown
from pipeline.releases import freeze

IMAGE = re.compile(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?"
)
RULES = Path(__file__).with_name("rules.yaml")


def load(file: Path) -> dict[str, Any]:
    """The mapping in a file; raises PipelineError where there is none."""
    try:
        document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise refusal(file, f"cannot be read ({error.strerror})") from error
    except MarkedYAMLError as error:
        problem = str(error.problem).partition(" with value")[0]
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise refusal(file, f"is not valid YAML ({problem})", line) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise refusal(file, "is not valid YAML in UTF-8", line) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise refusal(file, "is not valid YAML in UTF-8") from error
    if not isinstance(document, dict):
        raise refusal(file, "is not a mapping")
    return document


def read(file: Path) -> dict[str, Any]:
    """The document in a file, held against the rules; raises PipelineError for the first breach."""
    document = load(file)
    for key, rule in rules().items():
        value: Any = document
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if not (rule.get("optional") if value is None else _fits(value, rule)):
            problem = "is missing" if value is None else f"is {value!r:.80}"
            cause = f"{key} {problem}; allowed is {rule['allowed']}"
            raise refusal(file, cause, _line(file, key))
    return document


def refusal(file: Path, cause: str, line: int | None = None) -> PipelineError:
    """The error for what is wrong with a file, at one of its lines."""
    place = f"{shown(file)}:{line}" if line else shown(file)
    return PipelineError(f"{place}: {cause}", next_step=f"correct {shown(file)}")


@cache
def rules() -> dict[str, dict[str, Any]]:
    by_key: dict[str, dict[str, Any]] = YAML(typ="safe").load(RULES)
    return by_key


def _fits(value: Any, rule: dict[str, Any]) -> bool:
    if "least" in rule:
        return type(value) is int and rule["least"] <= value <= rule["most"]
    if "is" not in rule:
        return _matches(rule["pattern"], value)
    if rule["is"] == "flag":
        return isinstance(value, bool)
    if rule["is"] == "windows":
        return isinstance(value, list) and all(map(freeze.is_window, value))
    if rule["is"] == "images":
        return isinstance(value, list) and all(_matches(IMAGE, each) for each in value)
    return (
        isinstance(value, dict)
        and len(value) <= rule.get("most", len(value))
        and ("keys" not in rule or all(_matches(rule["keys"], key) for key in value))
        and ("values" not in rule or all(_matches(rule["values"], each) for each in value.values()))
    )


def _matches(pattern: str | re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _line(file: Path, key: str) -> int:
    """The line of a key, else of the nearest one above it that is there."""
    node, line = YAML().compose(file.read_text(encoding="utf-8")), 1
    for name in key.split("."):
        for child, value in node.value if isinstance(node, MappingNode) else []:
            if child.value == name:
                node, line = value, child.start_mark.line + 1
                break
    return line
