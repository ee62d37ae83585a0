"""The changes in a Terraform plan, read from its JSON: dangerous ones first, secrets hidden."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import files

#: What is lost when a resource of these types is destroyed or replaced.
GUARDED: dict[str, str] = files.read_yaml(Path(__file__).with_name("guarded.yaml"))
#: What AWS decides anew for each new resource: no reader needs it.
_COMPUTED = [
    "arn",
    "arn_without_revision",
    "id",
    "revision",
    "enable_fault_injection",
    "version_id",
]

HIDDEN = "(hidden)"
_UNKNOWN = "(known after apply)"
_NONE = "(none)"
_SECRET_NAME = re.compile(
    r"password|passwd|secret_string|private_key|token|access_key|credential", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"]+):[^@/\s\"]+@")
_VALUE_LENGTH = 160
#: Attributes by which AWS refuses to delete what has them, each by the name that a type has for it.
_PROTECTION = ("deletion_protection", "enable_deletion_protection")
#: Actions in the order to read them, with their marks.
MARKS = {"destroy": "-", "replace": "±", "update": "~", "create": "+", "import": "=", "forget": "."}


@dataclass(frozen=True)
class Attribute:
    """One changed attribute, values as text; secret ones hidden."""

    name: str
    before: str
    after: str
    forces_replacement: bool = False


@dataclass(frozen=True)
class Change:
    """What happens to one resource. ``loss`` is what is lost (guarded resources only); ``imported`` means that it
    exists and is taken into the state first; ``refused`` that AWS would not delete it, in the middle of an apply."""

    address: str
    action: str
    attributes: tuple[Attribute, ...]
    loss: str | None
    note: str
    imported: bool
    refused: bool


def read(document: Mapping[str, Any] | None, key: str = "resource_changes") -> tuple[Change, ...]:
    """The changes in a plan's JSON in the order to read them; ``resource_drift`` has those made by others."""
    resources = (document or {}).get(key, [])
    changes = [
        _change(resource, action)
        for resource in resources
        if resource.get("mode") != "data" and (action := _action(resource["change"]))
    ]
    order = list(MARKS).index
    changes.sort(key=lambda change: (change.loss is None, order(change.action), change.address))
    return tuple(changes)


def _action(change: Mapping[str, Any]) -> str | None:
    actions = set(change["actions"])
    if {"create", "delete"} <= actions:
        return "replace"
    if "delete" in actions:
        return "destroy"
    own_name = next(iter(actions & {"create", "update", "forget"}), None)
    return own_name or ("import" if change.get("importing") else None)


def managed(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The managed resources in ``values`` of a state or plan, of all modules."""
    modules = [values.get("root_module", {})]
    for module in modules:
        modules += module.get("child_modules", [])
        resources = module.get("resources", [])
        yield from (resource for resource in resources if resource.get("mode") == "managed")


def _change(resource: Mapping[str, Any], action: str) -> Change:
    kind, change = resource["type"], resource["change"]
    imported = bool(change.get("importing"))
    # A resource whose creation failed is made anew: there is nothing in it to lose.
    tainted = resource.get("action_reason") == "replace_because_tainted"
    gone = action in ("destroy", "replace")
    refused = gone and any((change.get("before") or {}).get(name) for name in _PROTECTION)
    note = ""
    if refused:
        note = "it is protected: AWS would refuse"
    elif tainted:
        note = "its creation had failed"
    elif imported and action != "import":
        note = "it exists, and is imported first"
    elif action == "replace" and kind == "aws_ecs_task_definition":
        note = "a new revision, the old one stays for a rollback"
    shown = () if tainted or action not in ("update", "replace") else _attributes(change)
    attributes = [
        attribute
        for attribute in shown
        # A new resource has a new everything; what matters is why it is new, and what is really different.
        if action == "update"
        or attribute.forces_replacement
        or attribute.after not in (_UNKNOWN, _NONE)
    ]
    guarded = [kind] if gone and not tainted else []
    if action == "update":
        guarded = [f"{kind}.{re.split(r'[.[]', attribute.name)[0]}" for attribute in attributes]
    lost = next((GUARDED[name] for name in guarded if name in GUARDED), None)
    return Change(resource["address"], action, tuple(attributes), lost, note, imported, refused)


def _attributes(change: Mapping[str, Any]) -> Iterator[Attribute]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    hidden = [change.get("before_sensitive") or {}, change.get("after_sensitive") or {}]
    forced = {str(path[0]) for path in change.get("replace_paths") or [] if path}
    for name in sorted({*before, *after, *(key for key, value in unknown.items() if value)}):
        is_unknown = _any_true(unknown.get(name))
        old, new = before.get(name), after.get(name)
        if (old == new or (not old and not new)) and not is_unknown:
            continue
        if is_unknown and new is None and name not in forced and name in _COMPUTED:
            continue
        if name == "tags_all" and before.get("tags") != after.get("tags"):
            continue
        if _SECRET_NAME.search(name) or any(_any_true(mask.get(name)) for mask in hidden):
            yield Attribute(name, HIDDEN, HIDDEN, name in forced)
        elif is_unknown and new is None:
            yield Attribute(name, _value(old), _UNKNOWN, name in forced)
        else:
            for path, left, right in _difference(name, _decoded(old), _decoded(new)):
                yield Attribute(path, _value(left, path), _value(right, path), name in forced)


def _difference(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves in which two values differ: one changed line of a long JSON document is one line here."""
    old, new = _by_name(old), _by_name(new)
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(f"{path}.{key}", old.get(key), new.get(key)) for key in sorted({*old, *new})]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [
            (f"{path}[{index}]", *both) for index, both in enumerate(zip(old, new, strict=True))
        ]
    else:
        yield path, old, new
        return
    for inner, left, right in pairs:
        if left != right:
            yield from _difference(inner, left, right)


def _by_name(value: Any) -> Any:
    """A list of objects with names (containers, environment variables) as a mapping; any other value as it is."""
    items = value if isinstance(value, list) else []
    named = items and all(isinstance(item, dict) and item.get("name") for item in items)
    return {item["name"]: item for item in items} if named else value


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _value(value: Any, path: str = "") -> str:
    if value is None:
        return _NONE
    if _SECRET_NAME.search(path) and not isinstance(value, bool):
        return HIDDEN
    text = json.dumps(_masked(value), ensure_ascii=False)
    text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    secret = filter(_SECRET_NAME.search, map(str, value))
    return {key: _masked(inner) for key, inner in value.items()} | dict.fromkeys(secret, HIDDEN)


def _any_true(mask: Any) -> bool:
    """Whether a mask of Terraform (of what is unknown or sensitive) marks anything of a value."""
    inner = mask.values() if isinstance(mask, dict) else mask
    return any(map(_any_true, inner)) if isinstance(mask, dict | list) else bool(mask)
