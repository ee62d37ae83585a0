"""What ``docs/diagrams`` shows: who may talk to whom on AWS, what a cluster holds, what a workflow does.
``python -m pipeline.diagrams.architecture [--check]``."""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, TERRAFORM, shown
from pipeline.diagrams.svg import Edge, Panel, draw
from pipeline.github import rehearsal
from pipeline.kubernetes import rendered
from pipeline.releases import environments
from pipeline.releases.project import project

FOLDER = ROOT / "docs" / "diagrams"
RULE = re.compile(
    r'^resource "aws_vpc_security_group_(ingress|egress)_rule" .*?^}', re.DOTALL | re.MULTILINE
)
#: The group of a rule, and the other end.
ENDS = ("security_group_id", "referenced_security_group_id", "cidr_ipv4")
#: Names of HCL that say less than these words.
WORDS = {
    "each.value.cidr": "allowed addresses",
    "0.0.0.0/0": "any address",
    "task": "tasks",
    "each.value.port": "80, 443",
    "var.container_port": "application port",
}
#: Where an object names another one, and that one's kind.
REFERENCES = {
    "serviceAccountName": "ServiceAccount",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "secretName": "Secret",
    "claimName": "PersistentVolumeClaim",
    "service": "Service",
    "policyName": "ValidatingAdmissionPolicy",
    "paramRef": "ConfigMap",
}
CLUSTER_WIDE = "ValidatingAdmission"
SELECTING = {"Service", "NetworkPolicy", "PodDisruptionBudget"}


def aws() -> str:
    """The security groups, and the connections that the rules of both ends let through."""
    rules: dict[str, dict[tuple[str, str, str], bool]] = {"ingress": {}, "egress": {}}
    groups: set[str] = set()
    root = (TERRAFORM / "main.tf").read_text(encoding="utf-8")
    modules = re.findall(r'^module "\w+" \{\n(.*?)^}', root, re.DOTALL | re.MULTILINE)
    optional = [re.findall(r'"\./modules/(\S+)"', body)[0] for body in modules if " count " in body]
    for file in sorted(TERRAFORM.glob("modules/*/*.tf")):
        for match in RULE.finditer(file.read_text(encoding="utf-8")):
            values: dict[str, str] = dict(
                re.findall(r"^  (\w+) += \"?([^\"\n]+)", match[0], re.MULTILINE)
            )
            ends = [_group(values[key]) for key in ENDS if key in values]
            groups.update(ends if "referenced_security_group_id" in values else ends[:1])
            if (side := match[1]) == "ingress":
                ends.reverse()
            port = WORDS.get(values["from_port"], values["from_port"])
            perhaps = "count" in values or file.parent.name in optional
            rules[side][ends[0], ends[1], port] = perhaps
    into, out = rules["ingress"], rules["egress"]
    let_through = {
        (source, target, port): perhaps
        for (source, target, port), perhaps in (into | out).items()
        if ((source, target, port) in into or target not in groups)
        and (
            source not in groups
            or {(source, target, port), (source, "any address", port)} & out.keys()
        )
    }
    edges = [Edge(*ends[:2], ends[2], perhaps) for ends, perhaps in sorted(let_through.items())]
    names = sorted(groups | {end for edge in edges for end in (edge.source, edge.target)})
    nodes = {name: [name, *(["security group"] if name in groups else [])] for name in names}
    title = "AWS: arrows are connections, by TCP port; dashed: where it is switched on"
    description = "Who may talk to whom on AWS, by the rules of the security groups"
    return draw(description, [Panel(title, nodes, edges)])


def _group(value: str) -> str:
    name = re.sub(r"^(var|aws_security_group)\.|(_security)?_group_id$|\.id$", "", value)
    return WORDS.get(name, WORDS.get(value, name.replace("_", " ")))


def cluster() -> str:
    """The objects of the environment that no other one is promoted from, by namespace."""
    names = environments.deployed() or environments.names()
    sources = {(environments.load(name).raw.get("promotion") or {}).get("from") for name in names}
    environment = next(name for name in names if name not in sources)
    application = project().name
    objects = rendered.environment(
        environments.load(environment).raw, ROOT, ROOT, application=application
    )

    def plain(name: str) -> str:
        """The same for each application, environment and release."""
        plain = re.sub(r"-[0-9a-f]{8}$", "", name.replace(application, "application"))
        return plain.replace(f"-{environment}", "-environment")

    panels: dict[str, Panel] = {}
    for (kind, namespace, name), each in objects.items():
        place = plain(namespace or f"{application}-{environment}")
        title = "cluster-wide" if kind.startswith(CLUSTER_WIDE) else f"namespace {place}"
        panel = panels.setdefault(title, Panel(title, {}))
        panel.nodes[_key(kind, name)] = [kind, plain(name)]
        for target in sorted({*_targets(each, objects)}):
            panel.edges.append(Edge(_key(kind, name), _key(*target)))
            if target[0] == "Secret":
                panel.nodes.setdefault(_key(*target), ["Secret", plain(target[1])])
    for panel in panels.values():
        panel.edges = [edge for edge in panel.edges if edge.target in panel.nodes]
    return draw("What a cluster holds of one environment, by namespace", panels.values())


def _key(kind: str, name: str) -> str:
    return f"{kind} {name}"


def _targets(each: Mapping[str, Any], objects: rendered.Objects) -> Iterator[tuple[str, str]]:
    """Kind and name of what an object names or selects."""
    yield from _references(each)
    if each["kind"] in SELECTING:
        selector = each["spec"].get("podSelector") or each["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        for kind, _, name in objects:
            other = objects[kind, _, name]
            pod = other.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
            if pod and wanted.items() <= pod.items():
                yield kind, name


def _references(value: Any) -> Iterator[tuple[str, str]]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        named = inner.get("name") if isinstance(inner, dict) else inner
        if key in REFERENCES and isinstance(named, str):
            yield REFERENCES[key], named
    if isinstance(value, dict) and {"kind", "name"} <= value.keys():
        yield value["kind"], value["name"]
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _references(inner)


def workflows() -> str:
    """The jobs of each workflow with the tasks that they call; an arrow leads to the job that waits."""
    panels = []
    for file in sorted((ROOT / rehearsal.WORKFLOWS).glob("*.yml")):
        content = files.read_yaml(file) or {}
        jobs, triggers = content.get("jobs", {}), content.get("on", [])
        nodes = {name: _job(name, job) for name, job in jobs.items()}
        needs = {name: _needs(job) for name, job in jobs.items()}
        edges = [
            Edge(source, name)
            for name in jobs
            for source in needs[name]
            if not any(source in _all(other, needs) for other in needs[name])
        ]
        triggers = [triggers] if isinstance(triggers, str) else triggers
        events = ", ".join(event.replace("_", " ") for event in triggers)
        if nodes:
            panels.append(Panel(f"{file.name}, on {events}", nodes, edges))
    return draw("What each workflow does: its jobs and the tasks that they call", panels)


def _job(name: str, job: Mapping[str, Any]) -> list[str]:
    if "uses" in job:
        return [name, str(job["uses"]).rpartition("/")[2]]
    runs = [step["run"].removeprefix("exec ") for step in job.get("steps", []) if "run" in step]
    tasks = dict.fromkeys(" ".join(run.split()[:2]) for run in runs)
    return [name, *tasks]


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _all(name: str, needs: Mapping[str, list[str]]) -> set[str]:
    """All jobs that a job waits for, directly or not."""
    return {each for other in needs[name] for each in ({other} | _all(other, needs))}


def main(arguments: list[str]) -> int:
    """Writes the diagrams; with ``--check`` prints those that are out of date (exit 1)."""
    made = {"aws": aws(), "cluster": cluster(), "workflows": workflows()}
    stale = {
        FOLDER / f"{name}.svg": text
        for name, text in made.items()
        if not (file := FOLDER / f"{name}.svg").is_file() or file.read_text("utf-8") != text
    }
    if "--check" in arguments:
        sys.stdout.writelines(f"{shown(file)} is out of date: run ./inv format\n" for file in stale)
        return 1 if stale else 0
    for file, text in stale.items():
        files.write(file, text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PipelineError as error:
        sys.exit(f"{error.cause}. Next: {error.next_step}.")
