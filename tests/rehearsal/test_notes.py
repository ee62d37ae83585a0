"""The release notes of a deployment: a release on GitHub, or where GitHub refuses it the job's summary."""

from types import SimpleNamespace

import pytest

from localgithub import api as stand_in
from pipeline.commands import notes
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Main is what is checked out: nothing is fetched."""
    monkeypatch.setattr(notes, "on_github", lambda: SimpleNamespace(tip=git.revision))
    monkeypatch.setenv("GITHUB_RUN_NUMBER", "12")


def test_the_notes_are_a_release_of_the_commit(store: stand_in.Store) -> None:
    assert notes.run("staging", DIGEST).headline.startswith("https://")
    [release] = store.releases
    assert (release["tag_name"], release["target_commitish"]) == ("release-12", git.revision())
    assert DIGEST in release["body"]


def test_a_commit_that_changes_a_workflow_has_its_notes_in_the_summary(
    store: stand_in.Store,
) -> None:
    """It is live already: GitHub refuses the tag alone."""
    store.of_workflows = {git.revision()}
    result = notes.run("staging", DIGEST)
    assert store.releases == []
    assert "403 Resource not accessible" in result.headline
    assert "### Release 12" in result.markdown
    assert ".github/workflows" in result.markdown
    assert DIGEST in result.markdown


def test_another_refusal_fails(store: stand_in.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "unknown")
    with pytest.raises(PipelineError, match="401"):
        notes.run("staging", DIGEST)
