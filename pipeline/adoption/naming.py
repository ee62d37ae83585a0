"""Names another application wherever this repository names its own, and puts its files into ``app/``."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adoption import packages
from pipeline.adoption.application import Application
from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHART, ENVIRONMENTS, ROOT
from pipeline.git import repository as git
from pipeline.releases import project

#: The sample application, its tests and what shows it; tests elsewhere that use it have its words.
SAMPLE = ("app", "tests/app", "tests/acceptance", "tests/adopt")
SHOWN = tuple(f"docs/{name}" for name in ("application.md", "screenshots", "plans"))
WORDS = r"tests\.(acceptance|app)\b|[Tt]hanksgiving"
REPOSITORY = ROOT / "argocd" / "apps" / "base" / "repository.yaml"
#: Where no application's name stands; what is a word there is one everywhere.
CODE = ("pipeline/*", ".github/workflows/*")
WORD = "(?<![a-z0-9]){}(?![a-z0-9])"


@dataclass(frozen=True)
class Answers:
    """Who adopts what; ``source`` is a folder or a Git address, empty for what lies in ``app/``."""

    name: str
    title: str
    repository: str
    account: str
    region: str
    domain: str
    source: str
    wsgi: str | None
    database: str | None


def now() -> dict[str, str]:
    """What the repository says of its places now."""
    local = files.read_yaml(ENVIRONMENTS / "local.yaml")["aws"]
    production = files.read_yaml(ENVIRONMENTS / "production.yaml")["aws"]
    repository = REPOSITORY.read_text(encoding="utf-8")
    return {
        "repository": re.search(r"github\.com/(.+)\.git", repository)[1],  # type: ignore[index] # the file is ours
        "account": local["account_id"],
        "region": local["region"],
        "domain": production.get("load_balancer", {}).get("domain", ""),
    }


def names(old: project.Project, answers: Answers) -> dict[str, str]:
    """What the sample, or the application before, is called outside ``app/``, with what stands there from now on."""
    renamed = {
        now()["repository"]: answers.repository,
        old.image: answers.name,
        old.name: answers.name,
        old.title: answers.title,
    }
    renamed = {word: name for word, name in renamed.items() if word != name}
    if old.delivery:
        code = "\n".join(path.read_text("utf-8", "replace") for path in git.files(*CODE))
        for word in sorted({old.image, old.name, old.title} & renamed.keys()):
            if re.search(WORD.format(re.escape(word)), code):
                raise PipelineError(
                    f"{word} is a word of this repository's own code too, which a rename would change",
                    next_step="adopt in a new copy of the delivery; a title: edit project.yaml, then ./inv format",
                )
    return renamed


def edit(
    answers: Answers,
    own: Application,
    folder: Path,
    names: Mapping[str, str],
    document: Mapping[str, Any],
    *,
    sample: bool,
) -> None:
    """Edits the work tree; ``sample``: the application that goes is the sample, with its tests and pages."""
    if sample:
        _remove_sample()
    shutil.rmtree(ROOT / "app", ignore_errors=True)
    shutil.copytree(folder, ROOT / "app", symlinks=True)
    if own.requirements.name != "pyproject.toml":
        source = own.requirements.relative_to(folder)
        if str(source) == "requirements.txt":
            files.write(ROOT / "app" / "requirements.in", packages.text(ROOT / "app" / source))
            (ROOT / "app" / source).unlink()
        elif str(source) != "requirements.in":
            files.write(ROOT / "app" / "requirements.in", f"-r {source}\n")
    if CHART.name != answers.name:
        git.run("mv", str(CHART), str(CHART.with_name(answers.name)))
    for path in git.files(":!app", ":!project.yaml", ":!*.lock.hcl", ":!requirements"):
        _rename(path, names)
    _repository(REPOSITORY, answers.repository)
    with (ROOT / "project.yaml").open("w", encoding="utf-8") as stream:
        stream.write(
            "# The application that this repository delivers: docs/reference/project.md.\n"
        )
        files.editing_yaml().dump(dict(document), stream)
    before = now()
    for path in (*ENVIRONMENTS.glob("*.yaml"), *(ROOT / "argocd").rglob("*.yaml")):
        _rename(path, {before["account"]: answers.account, before["region"]: answers.region})
    for path in ENVIRONMENTS.glob("*.yaml"):
        _environment(path, answers.domain, document)


def _rename(path: Path, names: Mapping[str, str]) -> None:
    """Replaces whole words in a text file, the longest first and each once: what takes a word's place is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    renamed = (
        re.sub(WORD.format(f"(?:{words})"), lambda word: names[word[0]], text) if names else text
    )
    if renamed != text:
        path.write_text(renamed, encoding="utf-8")


def _repository(path: Path, name: str) -> None:
    """Writes this repository's own name, which may be the application's or another, for Argo CD."""
    yaml = files.editing_yaml()
    content = yaml.load(path.read_text(encoding="utf-8"))
    content["data"] |= dict(zip(("owner", "name"), name.split("/"), strict=True))
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)


def _environment(path: Path, domain: str, document: Mapping[str, Any]) -> None:
    """Gives an environment file the domain, the probe and the database; drops `smoke` where there is no smoke test."""
    yaml = files.editing_yaml()
    state = yaml.load(path.read_text(encoding="utf-8"))
    host = domain if state["name"] == "production" or not domain else f"{state['name']}.{domain}"
    balancer, ingress = state["aws"].get("load_balancer", {}), state.get("ingress")
    if ingress:
        ingress["host"] = host
        ingress["annotations"]["alb.ingress.kubernetes.io/healthcheck-path"] = document["probes"][
            "ready"
        ]
    if "domain" in balancer:
        balancer["domain"] = host
    if not domain:
        for settings, names in (
            (balancer, ("domain", "certificate_arn")),
            (state, ("ingress", "service")),
        ):
            for name in names:
                settings.pop(name, None)
    if not balancer:
        state["aws"].pop("load_balancer", None)
    engine = document["database"]["engine"]
    if engine != "postgresql":
        state["database"] = {"engine": engine}
    if canary := state.get("canary"):
        canary.setdefault("metrics", "")  # whether there are any is not known
    if not document.get("smoke"):
        state.pop("smoke", None)
    if engine == "sqlite":
        state["replicaCount"] = 1
        state.pop("canary", None)
        state["aws"].get("service", {}).pop("max_replicas", None)
    if not state["aws"].get("service", True):
        del state["aws"]["service"]
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(state, stream)


def _remove_sample() -> None:
    """Removes the sample, and the lines of pages and workflows that lead to what went."""
    tests = [
        path
        for path in git.files("tests/*.py")
        if re.search(WORDS, path.read_text(encoding="utf-8"))
    ]
    before = git.files("tests/**/test_*.py", *SHOWN)
    git.run("rm", "-r", "--quiet", "--", *SAMPLE, *SHOWN)
    git.run("rm", "--quiet", "--ignore-unmatch", "--", *map(str, tests))
    gone = "|".join(re.escape(path.name) for path in before if not path.exists())
    for path in git.files("*.md", ".github/workflows/*.yml"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not re.search(rf"[(/ ]({gone})[)#\s/]", line)]
        if kept != lines:
            path.write_text("".join(kept), encoding="utf-8")
