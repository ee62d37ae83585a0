"""A Terraform plan as people read it: dangerous changes first, secrets hidden, short enough for a comment."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core import markdown
from pipeline.core.errors import PipelineError

#: What is lost when one of these is destroyed or replaced. Such a change needs an acknowledgement.
GUARDED = {
    "aws_db_instance": "the database and all data in it",
    "aws_lb": "the load balancer and its address: the site is down until DNS follows",
    "aws_lb_target_group": "the target group: no task receives requests until the new one is filled",
    "aws_ecr_repository": "the image registry: nothing can be started or rolled back",
    "aws_s3_bucket": "the bucket and what lies in it (state or logs)",
    "aws_kms_key": "the key: everything encrypted with it becomes unreadable",
    "aws_ecs_cluster": "the cluster: all its tasks stop",
    "aws_ecs_service": "the service: all its tasks stop",
    "aws_secretsmanager_secret": "the secret: tasks cannot start, users are signed out",
    "aws_vpc": "the network and everything in it",
}

#: GitHub refuses a comment of more than 65,536 characters; the rest is for what stands around the summary.
LIMIT = 60_000

#: What AWS decides anew for each new resource: no reader needs it.
_COMPUTED = frozenset(
    {"arn", "arn_without_revision", "id", "revision", "enable_fault_injection", "version_id"}
)
#: Replacements that lose nothing.
_HARMLESS = {"aws_ecs_task_definition": "a new revision, the old one stays for a rollback"}

HIDDEN = "(hidden)"
UNKNOWN = "(known after apply)"
_TAINTED = "replace_because_tainted"
_SECRET_NAME = re.compile(
    r"password|passwd|secret_string|private_key|token|access_key|credential", re.I
)
_VALUE_LENGTH = 160
_ORDER = ("destroy", "replace", "update", "create", "import", "forget")
_MARK = {"create": "+", "update": "~", "replace": "±", "destroy": "-", "import": "=", "forget": "."}


@dataclass(frozen=True)
class Attribute:
    """One changed attribute, values as text; secret ones hidden."""

    name: str
    before: str
    after: str
    forces_replacement: bool = False


@dataclass(frozen=True)
class Change:
    """What happens to one resource. ``loss`` says what is lost, for guarded resources only; ``imported`` that it exists
    and is taken into the state first."""

    address: str
    kind: str
    action: str
    attributes: tuple[Attribute, ...]
    loss: str | None = None
    note: str = ""
    imported: bool = False


@dataclass(frozen=True)
class Summary:
    """A plan's changes in the order to read them."""

    name: str
    changes: tuple[Change, ...]

    @property
    def dangerous(self) -> tuple[Change, ...]:
        """The changes that need an acknowledgement."""
        return tuple(change for change in self.changes if change.loss)

    def count(self, action: str) -> int:
        """How many resources an action concerns; one that is imported may be changed as well."""
        if action == "import":
            return sum(1 for change in self.changes if change.imported)
        return sum(1 for change in self.changes if change.action == action)

    @property
    def headline(self) -> str:
        """One line: how many are imported, created, changed, replaced, destroyed."""
        if not self.changes:
            return f"{self.name}: no changes"
        words = {
            "import": "import",
            "create": "create",
            "update": "change",
            "replace": "replace",
            "destroy": "destroy",
        }
        parts = [
            f"{self.count(action)} to {word}"
            for action, word in words.items()
            if self.count(action)
        ]
        return f"{self.name}: {', '.join(parts) or 'only bookkeeping'}"


def summarise(document: Mapping[str, Any] | None, name: str) -> Summary:
    """The summary of Terraform's plan JSON; None is a plan without changes."""
    found = []
    for resource in (document or {}).get("resource_changes", []):
        action = _action(resource["change"])
        if action is None or resource.get("mode") == "data":
            continue
        kind = resource["type"]
        # A resource whose creation failed is made anew: there is nothing in it to lose.
        tainted = resource.get("action_reason") == _TAINTED
        imported = bool(resource["change"].get("importing"))
        lost = GUARDED.get(kind) if action in ("destroy", "replace") and not tainted else None
        found.append(
            Change(
                address=resource["address"],
                kind=kind,
                action=action,
                attributes=() if tainted else _shown(resource["change"], action),
                loss=lost,
                note=_note(kind, action, tainted=tainted, imported=imported),
                imported=imported,
            )
        )
    found.sort(
        key=lambda change: (change.loss is None, _ORDER.index(change.action), change.address)
    )
    return Summary(name, tuple(found))


def require_acknowledgement(summary: Summary, acknowledged: Collection[str]) -> None:
    """Refuses a dangerous plan unless every dangerous change's address is in ``acknowledged``.

    Raises:
        PipelineError: Names what would be lost and how to say that it is meant.
    """
    missing = [change for change in summary.dangerous if change.address not in acknowledged]
    if missing:
        first = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        flags = " ".join(f"--acknowledge '{change.address}'" for change in missing)
        raise PipelineError(
            f"the plan for {summary.name} would {first.action} {first.address}: lost would be {first.loss}{more}",
            next_step=f"read the plan; if that is meant, add {flags} to ./inv apply, or for a workflow the address "
            "to infra/terraform/acknowledged.yaml",
        )


def as_text(summary: Summary) -> str:
    """The summary for a terminal or a log."""
    return "\n".join([summary.headline, *(f"  {line}" for line in _lines(summary))])


def as_markdown(
    summary: Summary, *, extra: str = "", limit: int = LIMIT, link: str | None = None
) -> str:
    """The summary for a comment: headline, warning, the changes in a block that nothing in them can leave.

    Args:
        extra: Markdown that follows the block, such as the cost; it is kept whole.
        limit: Characters allowed in all. What does not fit is cut, and a notice says how much.
        link: Where the whole plan can be read, for that notice.
    """
    head = [f"### Plan for {summary.headline}", ""]
    if summary.dangerous:
        count = len(summary.dangerous)
        head += [
            f"> [!CAUTION]\n> {count} {'change destroys' if count == 1 else 'changes destroy'} something that "
            "cannot be brought back by applying again. It needs an acknowledgement.",
            "",
        ]
    tail = ["", extra] if extra else []
    if not summary.changes:
        return "\n".join([*head, *tail]).rstrip() + "\n"
    lines = _lines(summary)
    fence = "`" * max(3, _longest_run("\n".join(lines), "`") + 1)
    where = f" The whole plan: {link}" if link else " The whole plan is in the log of this run."
    room = limit - len("\n".join([*head, *tail])) - 2 * len(fence) - len(where) - 120
    kept, used = [], 0
    for line in lines:
        used += len(line) + 1
        if used > room:
            break
        kept.append(line)
    body = [f"{fence}diff", *kept, fence]
    if len(kept) < len(lines):
        body.append(f"\n**Cut: {len(lines) - len(kept)} more lines did not fit.**{where}")
    return "\n".join([*head, *body, *tail]).rstrip() + "\n"


def _lines(summary: Summary) -> list[str]:
    lines: list[str] = []
    for change in summary.changes:
        mark = _MARK[change.action]
        note = f" ({change.note})" if change.note else ""
        lines.append(markdown.printable(f"{mark} {change.action} {change.address}{note}"))
        if change.loss:
            lines.append(f"!   DANGEROUS: lost would be {change.loss}")
        for one in change.attributes:
            forced = "  # forces replacement" if one.forces_replacement else ""
            lines.append(markdown.printable(f"    {one.name}: {one.before} -> {one.after}{forced}"))
    return lines


def _action(change: Mapping[str, Any]) -> str | None:
    actions = set(change["actions"])
    if {"create", "delete"} <= actions:
        return "replace"
    for name, ours in (
        ("create", "create"),
        ("delete", "destroy"),
        ("update", "update"),
        ("forget", "forget"),
    ):
        if name in actions:
            return ours
    return "import" if change.get("importing") else None


def _shown(change: Mapping[str, Any], action: str) -> tuple[Attribute, ...]:
    if action == "update":
        return tuple(_attributes(change))
    if action == "replace":
        # A new resource has a new everything; what matters is why it is new, and what is really different.
        return tuple(
            one
            for one in _attributes(change)
            if one.forces_replacement or one.after not in (UNKNOWN, "(none)")
        )
    return ()


def _note(kind: str, action: str, *, tainted: bool, imported: bool) -> str:
    if tainted:
        return "its creation had failed"
    if imported and action != "import":
        return "it exists, and is imported first"
    return _HARMLESS.get(kind, "") if action == "replace" else ""


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
        secret = _SECRET_NAME.search(name) or any(_any_true(mask.get(name)) for mask in hidden)
        if secret:
            yield Attribute(name, HIDDEN, HIDDEN, name in forced)
        elif is_unknown and new is None:
            yield Attribute(name, _value(old), UNKNOWN, name in forced)
        else:
            for path, left, right in _difference(name, _decoded(old), _decoded(new)):
                yield Attribute(path, _value(left, path), _value(right, path), name in forced)


def _difference(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves in which two values differ, so that one changed line of a long JSON document is one line here."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield from _difference(f"{path}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        left, right = _named(old), _named(new)
        if left is not None and right is not None:
            yield from _difference(path, left, right)
        elif len(old) == len(new):
            for index, (one, other) in enumerate(zip(old, new, strict=True)):
                if one != other:
                    yield from _difference(f"{path}[{index}]", one, other)
        else:
            yield path, old, new
    else:
        yield path, old, new


def _named(items: Sequence[Any]) -> dict[str, Any] | None:
    """A list of objects with a name (containers, environment variables) as a mapping by it."""
    if items and all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in items
    ):
        return {item["name"]: item for item in items}
    return None


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _value(value: Any, path: str = "") -> str:
    if value is None:
        return "(none)"
    if _SECRET_NAME.search(path.rsplit(".", 1)[-1]) and not isinstance(value, bool):
        return HIDDEN
    text = _hide(json.dumps(_masked(value), ensure_ascii=False))
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def _masked(value: Any) -> Any:
    """The value with everything hidden that stands under a name of a secret."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if _SECRET_NAME.search(str(key)) else _masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return value


def _hide(text: str) -> str:
    # user:password@host in any URL.
    return re.sub(r"(://[^/\s:@\"]+):[^@/\s\"]+@", rf"\1:{HIDDEN}@", text)


def _longest_run(text: str, character: str) -> int:
    return max((len(run) for run in re.findall(f"{re.escape(character)}+", text)), default=0)


def _any_true(mask: Any) -> bool:
    if isinstance(mask, dict):
        return any(_any_true(inner) for inner in mask.values())
    if isinstance(mask, list):
        return any(_any_true(inner) for inner in mask)
    return bool(mask)
