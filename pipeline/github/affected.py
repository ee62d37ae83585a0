"""Which stages a change can affect, by the paths that it touches and the rules in ``affected.yaml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.core import files

#: The stages that a pull request can leave out, in the order of the path.
STAGES = ("secrets", "lint", "test", "build", "scan", "plan", "diff")
#: Any path can hold a secret, and is read by some test: ``./inv test --changed`` runs the groups that read it.
ALWAYS = ("secrets", "test")
RULES: dict[str, list[str]] = files.read_yaml(Path(__file__).with_suffix(".yaml"))


@dataclass(frozen=True)
class Affected:
    """The verdict: the stages to run, why each one runs or not, and the environments to plan."""

    stages: tuple[str, ...]
    environments: tuple[str, ...]
    reasons: Mapping[str, str]


def judge(paths: Sequence[str], environments: Sequence[str]) -> Affected:
    """The verdict on a change of these paths, which are relative to the root; none at all counts as everything."""
    causes = {stage: [path for path in paths if stage in _stages(path)] for stage in STAGES}
    if not paths:
        reasons = dict.fromkeys(STAGES, "runs: the change could not be determined")
        return Affected(STAGES, tuple(environments), reasons)
    skipped = f"skipped: {_named(paths)} cannot affect it"
    reasons = {
        stage: f"runs: {_named(touched)}" if touched else skipped
        for stage, touched in causes.items()
    }
    stages = tuple(stage for stage in STAGES if causes[stage])
    files = {f"environments/{name}.yaml": name for name in environments}
    if causes["plan"] and files.keys() >= set(causes["plan"]):
        environments = [files[path] for path in causes["plan"]]
    return Affected(stages, tuple(environments), reasons)


def _stages(path: str) -> Sequence[str]:
    matches = (stages for pattern, stages in RULES.items() if fnmatchcase(path, pattern))
    return tuple({*ALWAYS, *next(matches, STAGES)})


def _named(paths: Sequence[str]) -> str:
    first = ", ".join(paths[:2])
    return first if len(paths) <= 2 else f"{first} and {len(paths) - 2} more"  # noqa: PLR2004
