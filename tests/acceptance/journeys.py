"""What people do with the application, over plain HTTP against any address.

Uses nothing of the application's code: only addresses and form fields as docs/application.md names them.
"""

import functools
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

TIMEOUT_SECONDS = 15


class JourneyFailedError(AssertionError):
    """The application did not do what a person would have expected."""


@dataclass(frozen=True)
class Gathering:
    """A gathering that a journey created: the addresses of its two pages."""

    title: str
    organiser_url: str
    guest_url: str

    @property
    def organiser_path(self) -> str:
        """``/o/<token>``."""
        return urlsplit(self.organiser_url).path

    @property
    def guest_path(self) -> str:
        """``/g/<token>``."""
        return urlsplit(self.guest_url).path


NewBrowser = Callable[[], "Browser"]


class Page(HTMLParser):
    """What journeys read of a page: form tokens, the guest link, dishes with their counts, the text."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.url = str(response.url)
        self.status = response.status_code
        self.token = ""
        self.guest_path = ""
        self.dishes: dict[str, str] = {}
        self.text = ""
        self._dish = ""
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects from one element."""
        found = {key: value or "" for key, value in attrs}
        if tag == "input" and found.get("name") == "csrf_token":
            self.token = found["value"]
        if found.get("id") == "guest-link":
            self.guest_path = found["data-path"]
        if "data-dish" in found:
            self._dish = found["data-dish"]
        if tag == "span" and found.get("class") == "name" and self._dish:
            self.dishes[self._dish] = ""

    def handle_data(self, data: str) -> None:
        """Collects text; the first one in a dish is its name."""
        self.text += data
        if self.dishes.get(self._dish) == "" and data.strip():
            self.dishes[self._dish] = data.strip()
            self._dish = ""

    def dish(self, name: str) -> str:
        """The number of the dish with this name."""
        for number, found in self.dishes.items():
            if found == name:
                return number
        raise JourneyFailedError(f"{name!r} is not on the menu of {self.url}")

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())

    def count(self, name: str) -> str:
        """``1 of 2`` for the dish with this name."""
        found = re.search(re.escape(name) + r"\s*(\d+ of \d+)", self.words)
        if not found:
            raise JourneyFailedError(f"no count for {name!r} on {self.url}")
        return found[1]


@functools.cache
def _public() -> ssl.SSLContext:
    """The public authorities; each browser by itself would read them again."""
    return httpx.create_ssl_context()


class Browser:
    """One person: keeps cookies, follows redirects, sends the form token of the open page.

    ``host`` names one of several load balancers behind an address, ``ca`` is the certificate of its authority.
    """

    def __init__(
        self,
        base_url: str,
        *,
        host: str = "",
        ca: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        verify: ssl.SSLContext | bool = transport is not None or _public()
        if ca:
            verify = ssl.create_default_context(cafile=str(ca))
        self.client = httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport, verify=verify)
        self.client.headers["User-Agent"] = "acceptance"
        if host:
            self.client.headers["Host"] = host
        if host and not ca:
            hooks = self.client.event_hooks
            hooks["request"] = [lambda request: request.extensions.update(sni_hostname=host)]
            self.client.event_hooks = hooks

    def open(self, path: str, *, expect: int = 200) -> Page:
        """Opens a page of this address."""
        return self._settle(self.client.get(self._at(path)), expect)

    def send(
        self, page: Page, path: str, fields: Mapping[str, object], *, expect: int = 200
    ) -> Page:
        """Sends a form from an open page and follows the redirect."""
        data = {"csrf_token": page.token, **fields}
        return self._settle(self.client.post(self._at(path), data=data), expect)

    def raw(self, path: str, **headers: str) -> httpx.Response:
        """Fetches something that is not a page, or not like a page."""
        return self.client.get(self._at(path), headers=headers)

    def post(self, path: str, fields: Mapping[str, object]) -> httpx.Response:
        """Sends a form as it is, without token and without following the redirect."""
        return self.client.post(self._at(path), data=fields)

    def _at(self, path: str) -> str:
        # A page may name itself by a host that does not resolve here; only its path counts.
        parts = urlsplit(urljoin("http://page/", path))
        return f"{self.base_url}{parts.path}{'?' + parts.query if parts.query else ''}"

    def _settle(self, response: httpx.Response, expect: int) -> Page:
        for _ in range(3):
            if response.status_code not in (301, 302, 303, 307, 308):
                break
            response = self.client.get(self._at(response.headers["Location"]))
        path = urlsplit(str(response.url)).path
        if response.status_code != expect:
            raise JourneyFailedError(
                f"{_shown(path)} answered {response.status_code} instead of {expect}"
            )
        return Page(response)


def create_gathering(base_url: str, *, title: str | None = None) -> Gathering:
    """Creates a gathering with three dishes, as an organiser would; usable by any test that needs one.

    Raises:
        JourneyFailedError: The application did not do it.
        httpx.HTTPError: The address does not answer.
    """
    return create_with(Browser(base_url), title)


def create_with(person: Browser, title: str | None = None) -> Gathering:
    """As ``create_gathering``, by a browser that is already there."""
    title = title or f"Thanksgiving {secrets.token_hex(4)}"
    day = datetime.now(UTC).date() + timedelta(days=30)
    page = person.send(
        person.open("/new"),
        "/new",
        {
            "title": title,
            "date": day.isoformat(),
            "time": "15:00",
            "timezone": "America/New_York",
            "place": "12 Orchard Lane",
            "note": "Bring slippers.",
            "dish_name": ["Turkey", "Mashed potatoes", "Pumpkin pie"],
            "dish_category": ["mains", "sides", "desserts"],
            "dish_wanted": ["1", "2", "1"],
        },
    )
    require(title in page.text, "the organiser's page does not show the title")
    require(bool(page.guest_path), "the organiser's page has no guest link")
    path = urlsplit(page.url).path
    return Gathering(title, f"{person.base_url}{path}", f"{person.base_url}{page.guest_path}")


def rsvp(person: Browser, guest_path: str, name: str, **fields: object) -> Page:
    """Answers as a guest; fields as in docs/application.md, by default: comes alone."""
    page = person.open(guest_path)
    return person.send(
        page, f"{guest_path}/rsvp", {"name": name, "attending": "yes", "party_size": "1", **fields}
    )


def claim(person: Browser, guest_path: str, dish: str, portions: int = 1) -> Page:
    """Claims portions of the dish with this name."""
    page = person.open(guest_path)
    return person.send(
        page, f"{guest_path}/dishes/{page.dish(dish)}/claim", {"portions": str(portions)}
    )


def require(condition: bool, what: str) -> None:
    """Ends the journey unless the condition holds."""
    if not condition:
        raise JourneyFailedError(what)


def potluck(new_browser: NewBrowser) -> None:
    """Two guests answer, claim, meet at the last portion, give back; the organiser sees it all."""
    event = _create(new_browser)
    ann, bob = new_browser(), new_browser()
    rsvp(ann, event.guest_path, "Ann", party_size="3", vegan="1", dietary_note="No garlic")
    rsvp(bob, event.guest_path, "Bob")
    require(
        claim(ann, event.guest_path, "Pumpkin pie").count("Pumpkin pie") == "1 of 1",
        "the claimed pie is not shown as taken",
    )
    before = bob.open(event.guest_path)
    late = bob.send(before, f"{event.guest_path}/dishes/{before.dish('Pumpkin pie')}/claim", {})
    require("a moment quicker" in late.text, "the last portion was given to two guests")
    own = {"category": "sides", "name": "Cornbread", "portions": "2"}
    require(
        bob.send(late, f"{event.guest_path}/dishes", own).count("Cornbread") == "2 of 2",
        "a guest's own dish is not on the menu",
    )
    number = late.dish("Pumpkin pie")
    given_back = ann.send(
        ann.open(event.guest_path), f"{event.guest_path}/dishes/{number}/release", {}
    )
    require(given_back.count("Pumpkin pie") == "0 of 1", "a dish given back is still taken")
    page = new_browser().open(event.organiser_path)
    require("4 at the table" in page.words, "the organiser sees another head count than 4")
    require("No garlic" in page.text, "the organiser does not see the dietary note")
    _delete(new_browser(), event)


def closing(new_browser: NewBrowser) -> None:
    """The organiser edits, closes RSVPs and revokes the link; guests are stopped politely."""
    event = _create(new_browser)
    organiser, guest = new_browser(), new_browser()
    rsvp(guest, event.guest_path, "Cleo")
    dashboard = organiser.open(event.organiser_path)
    organiser.send(dashboard, f"{event.organiser_path}/rsvps", {"rsvps": "close"})
    page = guest.open(event.guest_path)
    require("RSVPs are closed" in page.text, "the guest page does not say that RSVPs are closed")
    organiser.send(dashboard, f"{event.organiser_path}/rsvps", {"rsvps": "open"})
    fresh = organiser.send(dashboard, f"{event.organiser_path}/guest-link", {"link": "new"})
    guest.open(event.guest_path, expect=404)
    require("Cleo" in guest.open(fresh.guest_path).text, "the guest is missing behind the new link")
    _delete(organiser, event)


def keepsakes(new_browser: NewBrowser) -> None:
    """Posts to the wall; takes the calendar entry and the lists along; deletes everything."""
    event = _create(new_browser)
    guest, organiser = new_browser(), new_browser()
    page = rsvp(guest, event.guest_path, "Dora")
    page = guest.send(page, f"{event.guest_path}/thanks", {"text": "For all of you"})
    require("For all of you" in page.text, "the gratitude wall does not show the post")
    calendar = guest.raw(f"{event.guest_path}/event.ics")
    require("BEGIN:VEVENT" in calendar.text, "there is no calendar entry")
    require("Dora" in organiser.raw(f"{event.organiser_path}/guests.csv").text, "CSV lacks Dora")
    require(
        "Turkey" in organiser.raw(f"{event.organiser_path}/dishes.csv").text, "CSV lacks Turkey"
    )
    _delete(organiser, event)
    guest.open(event.guest_path, expect=404)


JOURNEYS: tuple[Callable[[NewBrowser], None], ...] = (potluck, closing, keepsakes)


def _create(new_browser: NewBrowser) -> Gathering:
    person = new_browser()
    return create_with(person)


def _delete(organiser: Browser, event: Gathering) -> None:
    """What a journey has made does not stay."""
    dashboard = organiser.open(event.organiser_path)
    organiser.send(dashboard, f"{event.organiser_path}/delete", {"confirm": "1"})


def _shown(path: str) -> str:
    """A path without its secret token, for messages and logs."""
    return re.sub(r"/(g|o)/[^/]+", r"/\1/…", path)
