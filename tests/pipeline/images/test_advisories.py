"""The real grype on the real image, with databases of advisories made for each test."""

import functools
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from email.parser import HeaderParser
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import docker
import pytest
from docker.models.images import Image

from pipeline.commands import scan
from pipeline.core.errors import PipelineError
from pipeline.scanners import findings, grype, osv, sbom
from pipeline.scanners.findings import Outcome
from tests.answering import served
from tests.gauntlet import osv as osv_source
from tests.pipeline.images import grype_database
from tests.pipeline.images.grype_database import Advisory

pytestmark = pytest.mark.engine

#: A library in the image, and the source package by which Debian names its flaws.
PACKAGE, SOURCE = "libexpat1", "expat"
NAME, FIXED = "CVE-2099-0001", "99.0-1"

#: A package's own record in an image without dpkg.
DPKG = re.compile(r"var/lib/dpkg/status\.d/.+(?<!\.md5sums)$")

Look = Callable[..., Outcome]


@pytest.fixture(scope="module")
def records(image: Image) -> dict[str, str]:
    """The image's own records of its release and packages, by path."""
    container = docker.from_env().containers.create(str(image.id))
    try:
        stream: Iterator[bytes] = container.export()  # type: ignore[assignment] # the stubs say str
        content = io.BytesIO(b"".join(stream))
    finally:
        container.remove(v=True)
    wanted = ("usr/lib/os-release", ".dist-info/METADATA")
    texts = {}
    with tarfile.open(fileobj=content) as archive:
        for entry in archive:
            if entry.isfile() and (entry.name.endswith(wanted) or DPKG.match(entry.name)):
                file = archive.extractfile(entry)
                assert file is not None
                texts[entry.name] = file.read().decode()
    return texts


@pytest.fixture(scope="module")
def debian(records: dict[str, str]) -> str:
    """The image's release of Debian."""
    (release,) = re.findall(r'^VERSION_ID="?(\d+)', records["usr/lib/os-release"], re.M)
    return str(release)


@pytest.fixture
def look(image: Image, tmp_path: Path) -> Look:
    """Scans the image with a database of these advisories."""

    def body(
        known: Sequence[Advisory], ignored: frozenset[str] = frozenset(), **settings: Any
    ) -> Outcome:
        file = grype_database.make(tmp_path, known, **settings)
        return grype.scan(str(image.id), str(file), tmp_path / "reports", ignored)

    return body


def test_a_flaw_that_debian_has_fixed_fails_by_the_name_of_a_package_or_its_source(
    look: Look, debian: str
) -> None:
    source = Advisory(f"{NAME}-source", SOURCE, FIXED, "Critical", debian)
    python = Advisory(f"{NAME}-python", "flask", FIXED)
    outcome = look([Advisory(NAME, PACKAGE, FIXED, debian=debian), source, python])
    assert outcome.state == findings.FOUND
    assert all(finding.fails for finding in outcome.findings)
    shown = {
        (finding.rule, finding.package.split()[0], finding.message) for finding in outcome.findings
    }
    assert shown == {
        (NAME, PACKAGE, f"High; fixed in {FIXED}"),
        (f"{NAME}-source", PACKAGE, f"Critical; fixed in {FIXED}"),
        (f"{NAME}-python", "flask", f"High; fixed in {FIXED}"),
    }


def test_what_is_small_or_not_fixed_is_shown_and_what_the_image_has_not_is_not(
    look: Look, debian: str
) -> None:
    outcome = look(
        [
            Advisory(f"{NAME}-small", PACKAGE, FIXED, "Low", debian),
            Advisory(f"{NAME}-not-fixed", PACKAGE, "", "Critical", debian),
            Advisory(f"{NAME}-long-fixed", PACKAGE, "0.1", "Critical", debian),
            Advisory(f"{NAME}-another", "exim4", FIXED, "Critical", debian),
        ]
    )
    assert outcome.state == findings.PASSED
    assert {finding.rule: finding.message for finding in outcome.findings} == {
        f"{NAME}-small": f"Low; fixed in {FIXED}",
        f"{NAME}-not-fixed": "Critical; no fixed version yet",
    }


def test_the_bill_of_materials_lists_what_the_images_own_records_list(
    look: Look, image: Image, records: dict[str, str], tmp_path: Path
) -> None:
    outcome = look([Advisory(NAME, PACKAGE, FIXED)])
    bill = json.loads(sbom.of(str(image.id), tmp_path / "reports").read_text(encoding="utf-8"))
    purls = [part["purl"] for part in bill["components"] if "purl" in part]
    assert outcome.looked_at == f"{len(purls)} packages"
    fields = {"deb": ("Package", "Version"), "pypi": ("Name", "Version")}
    expected = set()
    for path, text in records.items():
        kind = "deb" if "dpkg" in path else "pypi"
        for paragraph in text.split("\n\n")[: None if kind == "deb" else 1]:
            record = HeaderParser().parsestr(paragraph.strip())
            name, version = (record[field] for field in fields[kind])
            if name:
                expected.add((kind, name.lower().replace("_", "-"), version))
    listed = set()
    for purl in purls:
        match = re.match(r"pkg:(\w+)/(?:debian/)?([^@]+)@([^?]+)", purl)
        assert match, purl
        listed.add((match[1], unquote(match[2]), unquote(match[3])))
    assert len(expected) > 20
    assert expected <= listed
    # The interpreter, which no package manager lists.
    assert {name for _, name, _ in listed - expected} == {"python"}


def test_the_bill_of_another_image_is_refused(look: Look, image: Image, tmp_path: Path) -> None:
    look([])
    bill = sbom.of(str(image.id), tmp_path / "reports").read_text(encoding="utf-8")
    assert '"vulnerabilities"' not in bill
    with pytest.raises(PipelineError, match="no bill of materials"):
        sbom.of("sha256:another", tmp_path / "reports")


def test_an_accepted_flaw_counts_again_after_its_date(
    look: Look, debian: str, tmp_path: Path
) -> None:
    file = tmp_path / "accepted-advisories.yaml"
    file.write_text(f"- {{id: {NAME}, reason: not reachable, until: 2030-06-30}}\n")
    known = [Advisory(NAME, PACKAGE, FIXED, debian=debian)]
    for day, state in ((30, findings.PASSED), (31, findings.FOUND)):
        today = date(2030, 6, 1) + timedelta(days=day - 1)
        outcome = look(known, findings.accepted(file, today))
        assert (outcome.state, len(outcome.findings)) == (state, 1)


def test_a_database_that_is_too_old_is_refused(look: Look) -> None:
    with pytest.raises(PipelineError, match="built 6 days ago"):
        look([], built=datetime.now(UTC) - timedelta(days=6, hours=1))


def test_a_damaged_database_is_refused(image: Image, tmp_path: Path) -> None:
    whole = grype_database.make(tmp_path, []).read_bytes()
    for content in (b"no archive\n", whole[: len(whole) // 2]):
        file = tmp_path / "damaged.tar.gz"
        file.write_bytes(content)
        with pytest.raises(PipelineError, match="unable to import vulnerability database"):
            grype.scan(str(image.id), str(file), tmp_path / "reports")


def test_a_database_that_knows_nothing_of_the_release_is_no_pass(look: Look, debian: str) -> None:
    others = [control for control in grype_database.CONTROLS if control.debian != debian]
    outcome = look([], controls=others)
    assert outcome.state == findings.NOT_CHECKED
    assert f"openssl@0?distro=debian-{debian}" in outcome.note


def test_settings_of_a_users_own_grype_hide_nothing(
    look: Look, debian: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings" / "grype" / "config.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"ignore: [{{vulnerability: {NAME}}}]\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("GRYPE_EXCLUDE", "/var/lib/dpkg/**")
    assert look([Advisory(NAME, PACKAGE, FIXED, debian=debian)]).state == findings.FOUND


def test_a_database_is_fetched_from_an_address(
    image: Image, debian: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaw = Advisory(NAME, PACKAGE, FIXED, debian=debian)
    grype_database.publish(grype_database.make(tmp_path, [flaw]), tmp_path / "served")
    # The cache is shared with the real scans of this machine.
    monkeypatch.setattr(grype, "CACHE", tmp_path / "cache")
    monkeypatch.delenv(grype.FILE_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serve = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with served(serve) as url:
        monkeypatch.setenv(grype.ADDRESS_VARIABLE, url)
        database = grype.database_at_hand()
        outcome = grype.scan(str(image.id), database, tmp_path / "reports", frozenset())
    assert [finding.rule for finding in outcome.findings] == [NAME]


def test_an_image_without_packages_is_no_pass(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nothing"))
    database = str(grype_database.make(tmp_path, []))
    client = docker.from_env()
    loaded = client.api.import_image_from_data(content.getvalue(), "grype-test-empty")
    assert "error" not in loaded
    try:
        with pytest.raises(PipelineError, match="saw no Debian packages"):
            grype.scan("grype-test-empty", database, tmp_path / "reports")
    finally:
        client.images.remove("grype-test-empty")


def test_the_scan_stage_passes_with_a_database_and_fails_with_a_flaw(
    debian: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The made-up flaw goes neither into the reports of this checkout nor onto the lines of a pull request.
    monkeypatch.setattr(scan, "REPORTS", tmp_path / "reports")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with osv_source.knowing({}) as address:
        monkeypatch.setenv(osv.VARIABLE, address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        file = grype_database.make(tmp_path / "none", [])
        monkeypatch.setenv(grype.FILE_VARIABLE, str(file))
        assert "vulnerabilities" not in scan.run(require_vulnerabilities=True).headline
        flaw = Advisory(NAME, PACKAGE, FIXED, debian=debian)
        file = grype_database.make(tmp_path / "one", [flaw])
        monkeypatch.setenv(grype.FILE_VARIABLE, str(file))
        with pytest.raises(PipelineError, match=f"1 finding in {grype.NAME}") as caught:
            scan.run(require_vulnerabilities=True)
    assert NAME in caught.value.report
