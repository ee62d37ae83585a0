"""Windows in which an environment must not change, by the rules of cron and Argo CD."""

from datetime import UTC, datetime

import pytest
from ruamel.yaml import YAML

from pipeline.argocd import windows
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT

WEEKEND = {"schedule": "0 16 * * 5", "duration": "62h"}
FRIDAY, MONDAY = datetime(2026, 11, 27, 16, 0, tzinfo=UTC), datetime(2026, 11, 30, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        (WEEKEND, FRIDAY, MONDAY),
        (WEEKEND, datetime(2026, 11, 30, 5, 59, 59, tzinfo=UTC), MONDAY),
        (WEEKEND, MONDAY, None),
        (WEEKEND, datetime(2026, 11, 27, 15, 59, tzinfo=UTC), None),
        ({"schedule": "*/30 8-17 * * *", "duration": "10m"}, FRIDAY, FRIDAY.replace(minute=10)),
        ({"schedule": "15,45 * * * *", "duration": "1m30s"}, FRIDAY.replace(minute=50), None),
        # Either day counts where both are limited.
        ({"schedule": "0 0 1 * 5", "duration": "24h"}, FRIDAY, datetime(2026, 11, 28, tzinfo=UTC)),
        ({"schedule": "0 0 24 12 *", "duration": "72h"}, FRIDAY, None),
        ({"schedule": "0 16 * * MON-FRI", "duration": "1h"}, FRIDAY, FRIDAY.replace(hour=17)),
        (
            {"schedule": "0 16 * nov fri", "duration": "90s"},
            FRIDAY.replace(minute=1),
            FRIDAY.replace(minute=1, second=30),
        ),
    ],
)
def test_a_window_ends_after_its_last_beginning(
    window: dict[str, str], now: datetime, until: datetime | None
) -> None:
    assert windows.end(window, now) == until


def test_a_schedule_that_is_none_of_cron_is_named() -> None:
    with pytest.raises(PipelineError, match="'@daily' is not understood"):
        windows.end({"schedule": "@daily", "duration": "1h"}, FRIDAY)


def test_the_projects_own_window_is_understood() -> None:
    text = (ROOT / "argocd" / "apps" / "base" / "project.yaml").read_text(encoding="utf-8")
    [window] = YAML(typ="safe").load(text)["spec"]["syncWindows"]
    assert windows.end(window, FRIDAY) == MONDAY
