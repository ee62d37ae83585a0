"""Takes into the state what a killed Terraform had created and not saved.

Terraform saves the state in S3 every 20 seconds at most. Killed in between, it leaves resources that no state knows:
the next apply would fail on their names, and those without one would cost money for ever. Its stream of events and the
plan that it carried out lie on this machine; from both, what the state lacks is planned with ``import`` blocks.
"""

import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.core.errors import PipelineError
from pipeline.core.paths import TERRAFORM
from pipeline.terraform.errors import Diagnostic, TerraformError
from pipeline.terraform.import_ids import Client, import_id, needs_none
from pipeline.terraform.root import Root

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Trace:
    """What an apply left of a resource that it began to create.

    ``resource_id`` is the id of one whose creation was completed, None when it was only begun; ``import_id`` what an
    earlier plan had found to import.
    """

    resource_id: str | None = None
    import_id: str | None = None


@dataclass(frozen=True)
class Found:
    """Import ids by address, and in words what cannot be adopted."""

    imports: Mapping[str, str]
    left: tuple[str, ...] = ()


def unfinished(root: Root) -> Path:
    """The plan that an apply carries out, for as long as it is not known to have saved its state."""
    return root.home / "unfinished.json"


def journal(root: Root) -> Path:
    """What the last apply did, as Terraform's stream of events."""
    return root.home / "apply.jsonl"


def has_begun(root: Root) -> bool:
    """Whether the last apply had begun to change anything."""
    return any(message.get("type") == "apply_start" for message in _messages(journal(root)))


def left_by(root: Root) -> dict[str, Trace]:
    """What the last apply was creating, by address; nothing when it has ended by itself."""
    kept = unfinished(root)
    if not kept.is_file():
        return {}
    return traces(_messages(journal(root)), json.loads(kept.read_text(encoding="utf-8")))


def traces(messages: Iterable[Document], plan: Document | None) -> dict[str, Trace]:
    """What was created or begun, from the events of an apply and the plan that it carried out.

    A creation that failed is no trace: what stood in its way may be somebody else's.
    """
    found = {
        resource["address"]: Trace(import_id=resource["change"]["importing"]["id"])
        for resource in (plan or {}).get("resource_changes", [])
        if resource["change"].get("importing")
    }
    for message in messages:
        hook = message.get("hook") or {}
        if hook.get("action") != "create":
            continue
        address = hook["resource"]["addr"]
        if message.get("type") == "apply_start":
            found[address] = Trace()
        elif message.get("type") == "apply_complete":
            found[address] = Trace(resource_id=hook.get("id_value"))
        elif message.get("type") == "apply_errored":
            found.pop(address, None)
    return found


def search(
    document: Document,
    traced: Mapping[str, Trace],
    client: Client,
    gone: Collection[str] = (),
) -> Found:
    """Which resources that a plan would create exist already, and how each is imported.

    Args:
        document: The plan; what it knows by importing others may give the ids of more.
        gone: Addresses of those that do not exist.
    """
    changes = {one["address"]: one for one in document.get("resource_changes", [])}
    taken = {trace.resource_id for trace in traced.values() if trace.resource_id}
    taken |= set(_ids(document.get("prior_state", {}).get("values", {}).get("root_module", {})))
    imports: dict[str, str] = {}
    left: list[str] = []
    for address, trace in traced.items():
        if address in gone:
            continue
        resource = changes.get(address)
        name = f"{address} ({trace.resource_id})" if trace.resource_id else address
        if resource is None:
            if trace.resource_id:
                left.append(f"{name} is not in the configuration any more")
            continue
        change = resource["change"]
        if change.get("importing"):
            imports[address] = change["importing"]["id"]
            continue
        if needs_none(resource["type"], begun=trace == Trace()):
            continue
        known = (change.get("before") or {}).get("id") == trace.resource_id
        if {"create", "delete"} <= set(change["actions"]) and trace.resource_id and not known:
            left.append(f"{name} is there, but the state still has its predecessor")
        if change["actions"] != ["create"]:
            continue
        try:
            found = trace.import_id or import_id(
                resource["type"], change["after"] or {}, trace.resource_id, client, taken
            )
        except (ClientError, BotoCoreError, LookupError) as error:
            left.append(f"{name}: {error}")
            continue
        if found:
            imports[address] = found
            taken.add(found)
        elif trace.resource_id:
            left.append(f"{name}: what its import needs is not known")
    return Found(imports, tuple(left))


def way_out(name: str) -> str:
    """How a resource is taken into the state by hand."""
    return (
        "take it over with a Terraform import block as docs/terraform.md shows, or remove it, then "
        f"./inv plan --environment {name}"
    )


def not_there(
    error: TerraformError, imports: Mapping[str, str], traced: Mapping[str, Trace]
) -> set[str]:
    """The addresses of imports that failed since there is no such object.

    Raises:
        PipelineError: They failed for another reason.
    """
    missing = {
        address for one in error.errors if _is_missing(one) for address in _concerned(one, imports)
    }
    if not missing and any(_is_missing(one) for one in error.errors):
        # An importer that does not name its object: those that nobody has seen are doubted.
        missing = {address for address in imports if traced[address] == Trace()}
    if not missing:
        raise PipelineError(
            f"{', '.join(sorted(imports)[:3])} and others are left of a killed apply and cannot be imported"
            f" ({error.cause})",
            next_step="take them over one by one with Terraform import blocks as docs/terraform.md shows",
            log=error.log,
        ) from error
    return missing


def _is_missing(error: Diagnostic) -> bool:
    return bool(
        re.search(
            r"non-existent remote object|not ?found|no association found|couldn't find|empty result",
            f"{error.summary}\n{error.detail}",
            re.IGNORECASE,
        )
    )


def _concerned(error: Diagnostic, imports: Mapping[str, str]) -> set[str]:
    text = f"{error.summary}\n{error.detail}"
    named = {one for one in imports if f'"{one}"' in text or one == error.where}
    # Some importers name the parts of the id alone.
    return named or {
        address
        for address, identity in imports.items()
        if all(
            re.search(rf"(?<![\w-]){re.escape(part)}(?![\w-])", text)
            for part in identity.split("/")
        )
    }


def prepare(root: Root, imports: Mapping[str, str]) -> Root:
    """The root in a copy of all sources that holds the import blocks, too; Git's folders stay as they are."""
    copy = _copy(root)
    clear(root)
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns("tests"))
    folder = copy / root.folder.relative_to(TERRAFORM)
    (folder / "imports.tf").write_text(blocks(imports), encoding="utf-8")
    return replace(root, folder=folder)


def clear(root: Root) -> None:
    """Removes that copy."""
    shutil.rmtree(_copy(root), ignore_errors=True)


def _copy(root: Root) -> Path:
    return root.home / "sources"


def blocks(imports: Mapping[str, str]) -> str:
    """The imports in Terraform's language."""
    return "\n".join(
        f"import {{\n  to = {address}\n  id = {_quoted(identity)}\n}}\n"
        for address, identity in sorted(imports.items())
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _messages(file: Path) -> Iterator[Document]:
    """The events in a file; a last line that was cut off is none."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                yield message


def _ids(module: Document) -> Iterator[str]:
    for resource in module.get("resources", []):
        identity = resource.get("values", {}).get("id")
        if resource.get("mode") == "managed" and isinstance(identity, str):
            yield identity
    for child in module.get("child_modules", []):
        yield from _ids(child)
