"""What a pull request changes against main, in the words of the summary."""

from pathlib import Path

import pytest

from pipeline.attestations import admission
from pipeline.aws import account, registry
from pipeline.commands import build, push, scan
from pipeline.core.errors import PipelineError
from pipeline.github import figures
from pipeline.images import app as appimage
from pipeline.images import push as imagepush
from pipeline.releases import environments
from pipeline.releases.image_reference import ImageReference
from pipeline.scanners import grype, osv
from pipeline.scanners.findings import Finding, judged, not_checked

MAIN = "1a2b3c4d5e6f"


@pytest.mark.parametrize(("size", "shown"), [(95_300_000, "+0.1 MB"), (90_000_000, "-5.2 MB")])
def test_the_images_size_against_main(size: int, shown: str) -> None:
    main = {"commit": MAIN, "size": 95_200_000}
    assert build.against(main, size) == f" ({shown} against main at 1a2b3c4)"
    assert build.against(None, size) == ""


def test_vulnerabilities_new_against_main_and_gone() -> None:
    advisories = [
        Finding("CVE-1", "Dockerfile", 0, "High", package="zlib 1"),
        Finding("CVE-2", "Dockerfile", 0, "Low", fails=False, package="tar 2"),
    ]
    outcomes = [
        judged(grype.NAME, 80, "packages", advisories),
        judged("checkov terraform", 3, "checks", [Finding("CKV_1", "main.tf", 1, "open")]),
        not_checked(osv.NAME, "nobody answers"),
    ]
    vulnerable = scan.vulnerabilities(outcomes)
    assert vulnerable == {grype.NAME: ["CVE-1 zlib 1", "CVE-2 tar 2"]}
    main = {"commit": MAIN, grype.NAME: ["CVE-0 bash 5", "CVE-2 tar 2"]}
    assert scan.since(main, vulnerable) == [
        f"{grype.NAME} against main at 1a2b3c4: new: CVE-1 zlib 1; gone: CVE-0 bash 5"
    ]
    headings = [scan.report(some, []).partition("\n")[0] for some in (outcomes, outcomes[1:2])]
    assert headings == [f"### Scan: 3 findings, NOT CHECKED: {osv.NAME}", "### Scan: 1 finding"]
    assert scan.since(main, scan.vulnerabilities([outcomes[2]])) == []
    assert scan.since({"commit": MAIN}, vulnerable) == []
    assert scan.since(None, vulnerable) == []


def test_figures_are_kept_in_workflows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    figures.keep("build", {"size": 1}, tmp_path)
    assert figures.before("build", folder=tmp_path) is None
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    figures.keep("build", {"size": 1}, tmp_path)
    kept = figures.before("build", folder=tmp_path)
    assert kept is not None
    assert kept["size"] == 1
    assert len(kept["commit"]) == 40


def test_what_a_repositorys_plan_switches_off_is_in_the_summary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcomes = [judged(grype.NAME, 80, "packages", [])]
    assert "Code scanning" not in scan.report(outcomes, [])
    monkeypatch.setenv("CODE_SCANNING", "false")
    assert "Code scanning is off in this repository" in scan.report(outcomes, [])


def test_a_workflow_builds_on_no_stand_in_for_a_base_image(monkeypatch: pytest.MonkeyPatch) -> None:
    record = appimage.Record("i", "id", "v1", "", "", 0, 0.0, "made", base_equivalent=True)
    monkeypatch.setattr(appimage, "build", lambda **_: record)
    monkeypatch.setattr(figures, "keep", lambda *_: None)
    monkeypatch.setattr(figures, "before", lambda *_: None)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("PIPELINE_HOST", "/of/a/rehearsal")
    assert "an equivalent from Debian packages" in build.run().markdown
    monkeypatch.delenv("PIPELINE_HOST")
    with pytest.raises(PipelineError, match="no registry gave a base image"):
        build.run()


def test_an_image_that_is_not_attested_is_said_so_in_the_summary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = appimage.Record("i", "id", "v1.2.3", "", "", 0, 0.0, "", base_equivalent=False)
    monkeypatch.setattr(appimage, "current", lambda: record)
    monkeypatch.setattr(appimage, "save", lambda _: None)
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=True))
    monkeypatch.setattr(registry, "reached", lambda _, repository: (repository, None))
    pushed = ImageReference("shop", f"sha256:{'1' * 64}")
    monkeypatch.setattr(imagepush, "push", lambda *_: pushed)
    monkeypatch.setattr(admission, "attest", lambda *_: "attested: signature")
    monkeypatch.setattr(environments, "remember", lambda *_: None)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "attestation" not in push.run("staging").markdown
    monkeypatch.setenv("ATTESTATIONS", "false")
    assert "The attestation of the image is off" in push.run("staging").markdown
