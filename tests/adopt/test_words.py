"""The sample application is named where it is, and by what goes with it; nowhere else in code, chart or HCL."""

import re

from pipeline.adoption import naming
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.releases.project import project

PLACES = (
    *("pipeline", "server", "offline", "localaws", "localgithub", "tools", "tests", ".github"),
    *("infra/terraform", "infra/helm/**/templates/*"),
)


def test_no_code_names_the_sample() -> None:
    words = "|".join(map(re.escape, (project().name, project().image, project().title, "potluck")))
    gone = [ROOT / path for path in naming.SAMPLE]
    found = set()
    for path in git.files(*PLACES):
        text = path.read_text(encoding="utf-8", errors="replace")
        own = any(map(path.is_relative_to, gone)) or re.search(naming.WORDS, text)
        if re.search(words, text, re.IGNORECASE) and not own:
            found.add(str(path.relative_to(ROOT)))
    assert found == set()


def test_no_page_that_stays_has_a_word_that_adoption_does_not_rename() -> None:
    gone = [ROOT / path for path in (*naming.SAMPLE, *naming.SHOWN)]
    found = set()
    for path in git.files("*.md"):
        text = path.read_text(encoding="utf-8")
        if "potluck" in text.lower() and not any(map(path.is_relative_to, gone)):
            found.add(str(path.relative_to(ROOT)))
    assert found == set()
