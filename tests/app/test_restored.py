"""Pages after `./inv db restore`: nothing that came after the backup is shown or taken for what there is."""

from pathlib import Path

from jinja2 import BytecodeCache
from thanksgiving import create_app

from pipeline.commands import db
from tests.acceptance import journeys
from tests.app.conftest import browsers, notice, settings_for


def test_after_a_restore_nothing_older_is_shown(
    compiled: BytecodeCache, database_url: str, tmp_path: Path
) -> None:
    workers = [create_app(settings_for(database_url)) for _ in range(2)]
    for worker in workers:
        worker.jinja_env.bytecode_cache = compiled
    file = tmp_path / "backup"
    event = journeys.create_with(browsers(workers[0])())
    person = browsers(workers[0])()
    journeys.rsvp(person, event.guest_path, "Ann")
    calendar = person.raw(f"{event.guest_path}/event.ics").text
    db.backup(database_url, file)
    page = journeys.claim(person, event.guest_path, "Turkey")
    stale = {"csrf_token": page.token}
    own = {"name": "Rice", "category": "sides", "portions": "1"}
    number = person.send(page, f"{event.guest_path}/dishes", own).dish("Rice")
    tag = person.raw(event.guest_path).headers["ETag"]
    db.restore(database_url, file, replace=True)
    journeys.claim(person, event.guest_path, "Pumpkin pie")
    person.send(page, f"{event.guest_path}/dishes", {**own, "name": "Beans"})
    for worker in workers:
        browser = browsers(worker)()
        browser.client.cookies = person.client.cookies
        answer = browser.raw(event.guest_path, **{"If-None-Match": tag})
        assert answer.status_code == 200
        shown = journeys.Page(answer)
        assert (shown.count("Turkey"), shown.count("Pumpkin pie")) == ("0 of 1", "1 of 1")
    # The number of what was added after the backup is not given to what is added after the restore.
    answer = person.post(f"{event.guest_path}/dishes/{number}/release", stale)
    assert notice(answer) == "gone"
    assert uid(person.raw(f"{event.guest_path}/event.ics").text) == uid(calendar)
    for worker in workers:
        worker.extensions["engine"].dispose()


def uid(calendar: str) -> str:
    return next(line for line in calendar.splitlines() if line.startswith("UID:"))
