"""What a tree makes of an environment on Kubernetes, as Argo CD renders it, and what differs between two of them."""

import copy
import difflib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import walk_tree

from pipeline.core import process
from pipeline.core.paths import CHART, ROOT
from pipeline.kubernetes import helm
from pipeline.kubernetes.programs import program
from pipeline.releases import history

#: An object of a namespace: kind and name.
Name = tuple[str, str]
Objects = dict[Name, dict[str, Any]]
#: In the place of an image that is not released yet: the chart renders none without.
UNRELEASED = f"sha256:{'0' * 64}"
HOOKS = ("helm.sh/hook", "argocd.argoproj.io/hook")
#: The hook of helm's own tests, which Argo CD leaves out.
IGNORED = "test"
#: Unchanged lines around a changed one.
CONTEXT = 3


@dataclass(frozen=True)
class Change:
    """An object that two trees make differently: the lines of a unified diff, and what its hook is, if it is one."""

    kind: str
    name: str
    action: str
    hook: str
    lines: list[str]

    @property
    def title(self) -> str:
        """Such as ``Job shop-migrate added (hook: PreSync)``."""
        hook = f" (hook: {self.hook})" if self.hook else ""
        return f"{self.kind} {self.name} {self.action}{hook}"


def environment(content: Mapping[str, Any], tree: Path, *, namespace: str) -> Objects:
    """The objects of an environment's file with the chart of a tree; raises CommandFailedError with helm's reason.

    The tree is that of the promoted revision, where the file names one.
    """
    values = dict(history.state(content))
    if values["image"].get("digest") is None:
        values["image"] = {**values["image"], "digest": UNRELEASED}
    chart = tree / CHART.relative_to(ROOT)
    made = helm.template(release=CHART.name, namespace=namespace, values=values, chart=chart)
    return _named([each for each in made if _annotations(each).get(HOOKS[0]) != IGNORED])


def applications(tree: Path) -> Objects:
    """What Argo CD's root brings, by the overlay that ``argocd/bootstrap`` names; raises CommandFailedError."""
    root = YAML(typ="safe").load(tree / "argocd" / "bootstrap" / "root.yaml")
    text = process.capture(
        [program("kubectl"), "kustomize", tree / str(root["spec"]["source"]["path"])],
        next_step="fix the kustomization that the message names",
    )
    return _named([each for each in YAML(typ="safe").load_all(text) if each])


def differences(before: Objects, after: Objects) -> Iterator[Change]:
    """What differs, by kind and name. Of a Secret only which values differ is shown."""
    for kind, name in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, name)), after.get((kind, name))
        if old == new:
            continue
        action = "added" if old is None else "removed" if new is None else "changed"
        present = new or old or {}
        annotations = _annotations(present)
        hook = next((str(annotations[each]) for each in HOOKS[::-1] if each in annotations), "")
        texts = (_text(old, new, "before"), _text(new, old, "after"))
        diff = list(difflib.unified_diff(*texts, n=CONTEXT, lineterm=""))[2:]
        yield Change(kind, name, action, hook, diff)


def _annotations(one: Mapping[str, Any]) -> Mapping[str, str]:
    return one.get("metadata", {}).get("annotations") or {}


def _named(objects: list[dict[str, Any]]) -> Objects:
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def _text(shown: dict[str, Any] | None, other: dict[str, Any] | None, when: str) -> list[str]:
    """An object's YAML in lines; values of a Secret are words that differ where the values do."""
    if shown is None:
        return []
    if shown["kind"] == "Secret":
        shown = {**shown}
        for field in ("data", "stringData"):
            values, others = shown.get(field) or {}, (other or {}).get(field) or {}
            if values:
                shown[field] = {
                    key: "hidden" if others.get(key) == value else f"hidden, {when}"
                    for key, value in values.items()
                }
    shown = copy.deepcopy(shown)
    walk_tree(shown)  # texts of several lines stand in several lines
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 200
    yaml.dump(shown, stream)
    return stream.getvalue().splitlines()
