"""Windows in which an environment must not change, by the rules of cron and Argo CD."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.releases import environments, freeze

FRIDAY, MONDAY = datetime(2026, 11, 27, 16, 0, tzinfo=UTC), datetime(2026, 11, 30, 6, 0, tzinfo=UTC)


def content(schedule: str, duration: str, zone: str = "Etc/UTC") -> dict[str, Any]:
    """An environment file's content with one window."""
    window = {"schedule": schedule, "duration": duration, "timeZone": zone}
    return {"promotion": {"freeze": [window]}}


WEEKEND = content("0 16 * * 5", "62h")


@pytest.mark.parametrize(
    ("frozen", "now", "until"),
    [
        (WEEKEND, FRIDAY, MONDAY),
        (WEEKEND, datetime(2026, 11, 30, 5, 59, 59, tzinfo=UTC), MONDAY),
        (WEEKEND, MONDAY, None),
        (WEEKEND, datetime(2026, 11, 27, 15, 59, tzinfo=UTC), None),
        (content("*/30 8-17 * * *", "10m"), FRIDAY, FRIDAY.replace(minute=10)),
        (content("15,45 * * * *", "1m30s"), FRIDAY.replace(minute=50), None),
        # Either day counts where both are limited.
        (content("0 0 1 * 5", "24h"), FRIDAY, datetime(2026, 11, 28, tzinfo=UTC)),
        (content("0 0 24 12 *", "72h"), FRIDAY, None),
        (content("0 16 * * MON-FRI", "1h"), FRIDAY, FRIDAY.replace(hour=17)),
        (
            content("0 16 * nov fri", "90s"),
            FRIDAY.replace(minute=1),
            FRIDAY.replace(minute=1, second=30),
        ),
        # The clock in Zurich is an hour ahead.
        (content("0 17 * * 5", "1h", "Europe/Zurich"), FRIDAY, FRIDAY.replace(hour=17)),
        (content("0 16 * * 5", "1h", "Europe/Zurich"), FRIDAY, None),
        ({"promotion": {"soak": "1h"}}, FRIDAY, None),
        ({}, FRIDAY, None),
    ],
)
def test_a_window_ends_after_its_last_beginning(
    frozen: dict[str, Any], now: datetime, until: datetime | None
) -> None:
    assert freeze.end(frozen, now) == until


def test_a_window_ends_by_the_clock_in_the_night_that_changes_it() -> None:
    """As Argo CD counts: three hours from midnight end at three o'clock, although one of them is left out."""
    zone = ZoneInfo("Europe/Zurich")
    until = freeze.end(
        content("0 0 * * 0", "3h", str(zone)), datetime(2026, 3, 29, 1, 30, tzinfo=zone)
    )
    assert until == datetime(2026, 3, 29, 3, 0, tzinfo=zone)


def test_of_two_windows_the_later_end_counts() -> None:
    windows = [*WEEKEND["promotion"]["freeze"], *content("0 0 * * *", "24h")["promotion"]["freeze"]]
    both = {"promotion": {"freeze": windows}}
    assert freeze.end(both, FRIDAY) == MONDAY
    assert freeze.end(both, MONDAY) == datetime(2026, 12, 1, tzinfo=UTC)


def test_what_an_earlier_commit_wrote_wrongly_is_no_freeze() -> None:
    assert freeze.end(content("@weekly", "62h"), FRIDAY) is None


def test_production_is_left_alone_over_the_weekend() -> None:
    assert freeze.end(environments.load("production").raw, FRIDAY) == MONDAY
