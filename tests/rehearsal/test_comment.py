"""The one comment of a pull request: the verdict first, and why a stage failed beside its name."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import runner
from pipeline.commands import comment
from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions, reports
from pipeline.github.gate import Job

PASSED = Job("test", "success", True, "")
LEFT_OUT = Job("plan", "skipped", True, "the change cannot affect it")


def failed(name: str) -> Job:
    return Job(name, "failure", False, "see its log")


def reported(task: str, cause: str, *, text: str = "### Report\n") -> dict[str, str]:
    return {task: f"{text}\n{reports.failure(cause, 'run ./inv format')}"}


def test_the_verdict_comes_first() -> None:
    assert comment.body([PASSED, LEFT_OUT], {}).startswith("### Mergeable\n")
    text = comment.body([PASSED, failed("lint"), failed("scan")], {})
    assert text.startswith("### Not mergeable yet: lint, scan\n")


def test_what_did_not_fail_takes_two_lines() -> None:
    text = comment.body([PASSED, replace(PASSED, name="lint"), LEFT_OUT], {})
    assert "\nPassed: test, lint.  \n" in text
    assert "\nLeft out, since the change cannot affect it: plan.  " in text
    assert "|" not in text


def test_a_report_is_folded_below_its_heading() -> None:
    heading = markdown.inline("Plan for a_b: 1 to <add> `x`")
    text = comment.body([PASSED], {"plan-a": f"### {heading}\n\ntext\n", "odd": "no heading"})
    # A workflow's comment ends with a link to its run.
    assert (
        "<details open><summary>Plan for a_b: 1 to &lt;add&gt; `x`</summary>\n\ntext\n\n</details>\n\n"
        "<details><summary>odd</summary>\n\nno heading\n\n</details>"
    ) in text


def test_a_failed_stage_has_its_cause_and_what_mends_it_in_its_row() -> None:
    text = comment.body([failed("lint"), PASSED], reported("lint", "1 of 16 checks has findings"))
    [row] = [line for line in text.splitlines() if line.startswith("| **")]
    assert row.endswith("1 of 16 checks has findings. **Next:** run ./inv format. |"), row


def test_a_job_of_several_environments_names_the_failure_of_each() -> None:
    found = reported("plan-staging", "no lock") | reported("plan-production", "no state")
    text = comment.body([failed("plan")], found | {"planning": "**Failed:** not this job's"})
    [row] = [line for line in text.splitlines() if line.startswith("| **")]
    assert "no lock" in row
    assert "no state" in row
    assert "not this job" not in row


def test_a_failure_without_a_report_leads_to_its_log() -> None:
    assert "see its log" in comment.body([failed("build")], {})


def test_what_others_wrote_stays_text() -> None:
    text = comment.body([failed("lint")], reported("lint", "a | b\n<img src=x> @all `c`"))
    [row] = [line for line in text.splitlines() if line.startswith("| **")]
    assert "<img" not in row
    assert "@all" not in row
    assert row.replace("\\|", "").count("|") == 3


def test_what_has_failed_in_a_job_is_named_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    for task, cause in (("plan", ""), ("verify", "postgresql://user:password@host")):
        reports.write(task, f"### {task}\n\n{reports.failure(cause, 'look') if cause else ''}")
    assert reports.failed() == "verify"


def test_a_failure_keeps_the_report_that_the_comment_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    monkeypatch.setattr(actions, "summary", lambda _: None)
    for report, heading in (("", "### lint"), ("### Lint\n\nTwo findings\n", "### Lint")):
        with pytest.raises(SystemExit):
            runner.fail("lint", PipelineError("it is bad", next_step="mend it", report=report))
        text = (tmp_path / "lint.md").read_text(encoding="utf-8")
        assert text.startswith(f"{heading}\n")
        assert reports.reason("lint", reports.collect()) == "it is bad. **Next:** mend it."
