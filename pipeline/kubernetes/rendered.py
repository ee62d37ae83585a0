"""What a tree makes of an environment on Kubernetes, as Argo CD renders it, and what differs between two of them."""

import copy
import difflib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import walk_tree

from pipeline.core import process
from pipeline.kubernetes import helm
from pipeline.kubernetes.programs import program
from pipeline.releases import history
from pipeline.releases.image_reference import PLACEHOLDER

#: An object: kind, namespace and name.
Name = tuple[str, str, str]
Objects = dict[Name, dict[str, Any]]
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
        """Such as ``Job web-migrate added (hook: PreSync)``."""
        hook = f" (hook: {self.hook})" if self.hook else ""
        return f"{self.kind} {self.name} {self.action}{hook}"


def environment(
    content: Mapping[str, Any], tree: Path, access: Path, *, application: str
) -> Objects:
    """The objects of an environment: of its file with the chart of a tree, and of its rights and admitted images.

    The tree is that of the promoted revision, where the file names one; ``access`` is the tree of the newest commit.
    Raises CommandFailedError with helm's reason.
    """
    values, name = dict(history.state(content)), str(content.get("name"))
    image = values.get("image") or {}
    if image.get("digest") is None:
        values["image"] = {**image, "digest": PLACEHOLDER}
    namespace = f"{application}-{name}"
    # Its name was another one before an adoption.
    [chart] = [file.parent for file in (tree / "infra" / "helm").glob("*/Chart.yaml")]
    made = helm.template(release=chart.name, namespace=namespace, values=values, chart=chart)
    given = {"application": application, "environment": name}
    given["admission"] = json.dumps(content.get("admission") or {})
    rights = helm.template(values=given, chart=access / "argocd" / "access")
    kept = [each for each in made if _annotations(each).get(HOOKS[0]) != IGNORED]
    return _named([*kept, *rights])


def applications(tree: Path) -> Objects:
    """What Argo CD's root brings, by the overlay that ``argocd/bootstrap`` names; raises CommandFailedError."""
    root = YAML(typ="safe").load(tree / "argocd" / "bootstrap" / "root.yaml")
    text = process.capture(
        [program("kubectl"), "kustomize", tree / str(root["spec"]["source"]["path"])],
        next_step="fix the kustomization that the message names",
    )
    return _named(helm.objects(text))


def differences(before: Objects, after: Objects) -> Iterator[Change]:
    """What differs, by kind and name. Of a Secret only which values differ is shown."""
    for each in sorted(before.keys() | after.keys()):
        old, new = before.get(each), after.get(each)
        if old == new:
            continue
        action = "added" if old is None else "removed" if new is None else "changed"
        present = new or old or {}
        annotations = _annotations(present)
        hook = next((str(annotations[key]) for key in HOOKS[::-1] if key in annotations), "")
        texts = (_text(old, new, "before"), _text(new, old, "after"))
        diff = list(difflib.unified_diff(*texts, n=CONTEXT, lineterm=""))[2:]
        yield Change(each[0], each[-1], action, hook, diff)


def _annotations(one: Mapping[str, Any]) -> Mapping[str, str]:
    return one.get("metadata", {}).get("annotations") or {}


def _named(objects: list[dict[str, Any]]) -> Objects:
    return {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
        for one in objects
    }


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
