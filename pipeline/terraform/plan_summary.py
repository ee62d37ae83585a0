"""A Terraform plan for people: as text, as Markdown that fits into a comment, and the guard against losses."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions
from pipeline.terraform import changes
from pipeline.terraform.changes import Change

#: GitHub refuses a comment of more than 65,536 characters; the rest is for what stands around the summary.
LIMIT = 60_000


@dataclass(frozen=True)
class Summary:
    """A plan's changes in the order to read them."""

    name: str
    changes: tuple[Change, ...]

    @property
    def dangerous(self) -> tuple[Change, ...]:
        """The changes that need an acknowledgement."""
        return tuple(change for change in self.changes if change.loss)

    @property
    def headline(self) -> str:
        """One line with the number of resources by action; an imported one may be changed as well."""
        if not self.changes:
            return f"{self.name}: no changes"
        counts = Counter(change.action for change in self.changes)
        counts["import"] = sum(change.imported for change in self.changes)
        verbs = dict(zip(changes.MARKS, changes.MARKS, strict=True)) | {"update": "change"}
        parts = [f"{counts[each]} to {verbs[each]}" for each in reversed(verbs) if counts[each]]
        return f"{self.name}: {', '.join(parts)}"


def summarise(document: Mapping[str, Any] | None, name: str) -> Summary:
    """The summary of Terraform's plan JSON; None is a plan without changes."""
    return Summary(name, changes.read(document))


def show(document: Mapping[str, Any] | None, name: str) -> Summary:
    """Prints the summary, which it returns, before the plan is applied."""
    summary = summarise(document, name)
    console.info(as_text(summary))
    return summary


def require_deletable(summary: Summary) -> None:
    """Raises PipelineError for a deletion that AWS refuses, which it would in the middle of an apply."""
    if refused := [change.address for change in summary.changes if change.refused]:
        raise PipelineError(
            f"the plan for {summary.name} would delete {', '.join(refused)}, which is protected: AWS would refuse when "
            "part of the plan is applied",
            next_step="apply aws.deletion_protection: false first, alone; what is only marked as failed is kept by "
            "terraform untaint (docs/terraform.md)",
        )


def require_acknowledgement(summary: Summary, acknowledged: Collection[str]) -> None:
    """Raises PipelineError for a dangerous change whose address is not in ``acknowledged``, or one that AWS refuses."""
    require_deletable(summary)
    missing = [change for change in summary.dangerous if change.address not in acknowledged]
    if missing:
        first = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        flags = " ".join(f"--acknowledge '{change.address}'" for change in missing)
        raise PipelineError(
            f"the plan for {summary.name} would {first.action} {first.address}: lost would be {first.loss}{more}",
            next_step=f"read the plan; if that is meant, add {flags} to the command, or for a workflow the address "
            "to infra/terraform/acknowledged.yaml",
        )


def as_text(summary: Summary) -> str:
    return "\n".join([summary.headline, *(f"  {line}" for line in _lines(summary))])


def as_markdown(summary: Summary, extra: str = "") -> str:
    """The summary for a comment: headline, warning, and the changes in a code block, which is cut to fit.

    ``extra`` is Markdown that follows the block, such as the cost; it is kept whole.
    """
    head = f"### Plan for {summary.headline}\n\n"
    if summary.dangerous:
        count = len(summary.dangerous)
        head += (
            f"> [!CAUTION]\n> {count} {'change destroys' if count == 1 else 'changes destroy'} something that "
            "cannot be brought back by applying again. It needs an acknowledgement.\n\n"
        )
    block = markdown.code_block("\n".join(_lines(summary)), "diff") if summary.changes else ""
    room = LIMIT - len(head) - len(extra) - 2
    block = markdown.cut(block, room, where=actions.linked_run())
    return f"{head}{block}\n{extra}".rstrip() + "\n"


def _lines(summary: Summary) -> list[str]:
    lines: list[str] = []
    for change in summary.changes:
        note = f" ({change.note})" if change.note else ""
        lines.append(f"{changes.MARKS[change.action]} {change.action} {change.address}{note}")
        if change.loss:
            lines.append(f"!   DANGEROUS: lost would be {change.loss}")
        for attribute in change.attributes:
            forced = "  # forces replacement" if attribute.forces_replacement else ""
            lines.append(f"    {attribute.name}: {attribute.before} -> {attribute.after}{forced}")
    return [markdown.one_line(line) for line in lines]
