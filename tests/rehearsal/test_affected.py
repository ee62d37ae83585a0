"""Which stages a change runs: never too few, and few where that is safe."""

from fnmatch import fnmatchcase

import pytest

from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import affected

DEPLOYED = ("production", "staging")


@pytest.mark.parametrize(
    ("path", "stages"),
    [
        ("docs/github.md", {"lint"}),
        ("README.md", {"lint"}),
        ("app/views.py", {"lint", "build", "scan"}),
        ("app/requirements.txt", {"lint", "build", "scan"}),
        ("Dockerfile", {"lint", "build", "scan"}),
        ("infra/terraform/modules/database/main.tf", {"lint", "scan", "plan"}),
        ("infra/helm/chart/values.yaml", {"lint", "scan", "diff"}),
        ("argocd/apps/base/project.yaml", {"lint", "scan", "diff"}),
        ("environments/staging.yaml", {"lint", "plan", "diff"}),
        (".github/workflows/main.yml", {"lint", "scan"}),
        ("tests/rehearsal/test_affected.py", {"lint"}),
        ("localaws/src/localaws/elb/flow.py", {"lint", "plan"}),
        ("offline/node.py", {"lint", "build", "scan"}),
        ("localgithub/server.py", {"lint"}),
        ("LICENSE", {"lint"}),
        ("project.yaml", set(affected.STAGES)),
        ("pipeline/commands/plan.py", set(affected.STAGES)),
        ("requirements/pipeline.txt", set(affected.STAGES)),
        ("a-new-folder/of-unknown.use", set(affected.STAGES)),
    ],
)
def test_a_path_runs_the_stages_that_look_at_it(path: str, stages: set[str]) -> None:
    assert set(affected.judge([path], DEPLOYED).stages) == {"secrets", "test", *stages}


def test_every_file_of_the_repository_has_a_rule() -> None:
    """The default is for what is new: a folder that stays gets a rule."""
    names = [str(path.relative_to(ROOT)) for path in git.files()]
    without = {
        name.split("/")[0]
        for name in names
        if not any(fnmatchcase(name, pattern) for pattern in affected.RULES)
    }
    assert not without


def test_every_path_is_scanned_for_secrets() -> None:
    for path in git.files():
        stages = affected.judge([str(path.relative_to(ROOT))], DEPLOYED).stages
        assert {"secrets", "test"} <= set(stages)


def test_every_rule_names_stages() -> None:
    assert all(stages and set(stages) <= set(affected.STAGES) for stages in affected.RULES.values())


def test_several_paths_run_what_any_of_them_needs_in_the_order_of_the_path() -> None:
    verdict = affected.judge(["docs/a.md", "Dockerfile", "environments/staging.yaml"], DEPLOYED)
    assert verdict.stages == affected.STAGES


def test_a_change_that_cannot_be_determined_runs_everything() -> None:
    verdict = affected.judge([], DEPLOYED)
    assert verdict.stages == affected.STAGES
    assert verdict.environments == DEPLOYED


def test_only_the_environments_whose_file_changed_are_planned() -> None:
    assert affected.judge(["environments/staging.yaml", "docs/a.md"], DEPLOYED).environments == (
        "staging",
    )
    both = affected.judge(["environments/staging.yaml", "infra/terraform/main.tf"], DEPLOYED)
    assert both.environments == DEPLOYED


def test_a_skipped_stage_says_why() -> None:
    reasons = affected.judge(["docs/a.md", "docs/b.md", "docs/c.md"], DEPLOYED).reasons
    assert reasons["build"] == "skipped: docs/a.md, docs/b.md and 1 more cannot affect it"
    assert reasons["lint"] == "runs: docs/a.md, docs/b.md and 1 more"
