"""Which stages a change can affect, judged by the paths that it touches. A path that no rule knows affects all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

#: The stages that a pull request can leave out, in the order of the path.
STAGES = ("lint", "test", "build", "scan", "plan")
ALL = frozenset(STAGES)


@dataclass(frozen=True)
class Rule:
    """Paths (``*`` also matches slashes) and the stages that look at them."""

    pattern: str
    stages: frozenset[str]


def _rule(pattern: str, *stages: str) -> Rule:
    return Rule(pattern, frozenset(stages))


#: The first rule that matches a path decides; what none matches (the pipeline itself, the locks) affects every stage.
RULES = (
    _rule("app/*.md", "lint"),
    _rule("infra/*.md", "lint"),
    _rule("app/*", "lint", "test", "build", "scan"),
    _rule("Dockerfile", "lint", "test", "build", "scan"),
    _rule(".dockerignore", "test", "build", "scan"),
    _rule("docker-compose.yml", "lint", "test"),
    _rule("infra/terraform/*", "lint", "test", "scan", "plan"),
    _rule("infra/helm/*", "lint", "test", "scan"),
    _rule("argocd/*", "lint", "test", "scan"),
    _rule("environments/*.yaml", "lint", "test", "plan"),
    _rule("tests/*", "lint", "test"),
    _rule(".github/workflows/*", "lint", "test", "scan"),
    _rule(".github/actions/*", "lint", "test", "scan"),
    _rule(".github/*", "lint"),
    _rule("docs/*", "lint"),
    _rule("*.md", "lint"),
    _rule("LICENSE", "lint"),
    _rule(".gitignore", "lint"),
    _rule(".editorconfig", "lint"),
)


@dataclass(frozen=True)
class Affected:
    """The verdict: the stages to run, why each one runs or not, and the environments to plan."""

    stages: tuple[str, ...]
    environments: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)

    def outputs(self) -> dict[str, str]:
        """The verdict as step outputs: JSON lists, which workflow expressions can read."""
        return {
            "stages": json.dumps(self.stages),
            "environments": json.dumps(self.environments),
        }


def judge(paths: Sequence[str], environments: Sequence[str]) -> Affected:
    """Judges a change.

    Args:
        paths: What the change touches, relative to the root; none at all counts as everything.
        environments: The deployed environments that there are.
    """
    causes: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for path in paths:
        for stage in _stages(path):
            causes[stage].append(path)
    if not paths:
        reasons = dict.fromkeys(STAGES, "runs: the change could not be determined")
        return Affected(STAGES, tuple(environments), reasons)
    reasons = {
        stage: f"runs: {_named(found)}" if found else f"skipped: {_named(paths)} cannot affect it"
        for stage, found in causes.items()
    }
    stages = tuple(stage for stage in STAGES if causes[stage])
    return Affected(stages, _environments(causes["plan"], environments), reasons)


def _stages(path: str) -> frozenset[str]:
    for rule in RULES:
        if fnmatchcase(path, rule.pattern):
            return rule.stages
    return ALL


def _environments(causes: Sequence[str], environments: Sequence[str]) -> tuple[str, ...]:
    files = {f"environments/{name}.yaml": name for name in environments}
    if causes and all(path in files for path in causes):
        return tuple(files[path] for path in causes)
    return tuple(environments)


def _named(paths: Sequence[str]) -> str:
    first = ", ".join(paths[:2])
    return first if len(paths) <= 2 else f"{first} and {len(paths) - 2} more"  # noqa: PLR2004
