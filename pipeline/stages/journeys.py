"""What people do with the application, done over plain HTTP against any address: ``./inv verify --journeys``.

No browser and nothing from the application's own code: only addresses and form fields as
docs/application.md names them.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
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

    def count(self, name: str) -> str:
        """``1 of 2`` for the dish with this name."""
        found = re.search(re.escape(name) + r"\s*(\d+ of \d+)", " ".join(self.text.split()))
        if not found:
            raise JourneyFailedError(f"no count for {name!r} on {self.url}")
        return found[1]


class Browser:
    """One person: keeps cookies, follows redirects, sends the form token of the page it has open."""

    def __init__(self, base_url: str, *, host: str | None = None, verify: bool = True) -> None:
        headers = {"User-Agent": "journeys", **({"Host": host} if host else {})}
        self.base_url = base_url.rstrip("/")
        self._client = httpx.Client(
            headers=headers, follow_redirects=False, timeout=TIMEOUT_SECONDS, verify=verify
        )

    def open(self, path: str, *, expect: int = 200) -> Page:
        """Opens a page of this address."""
        return self._settle(self._client.get(self._at(path)), expect)

    def send(self, page: Page, path: str, fields: dict[str, object], *, expect: int = 200) -> Page:
        """Sends a form from an open page and follows the redirect."""
        data = {"csrf_token": page.token, **fields}
        return self._settle(self._client.post(self._at(path), data=data), expect)

    def raw(self, path: str) -> httpx.Response:
        """Fetches something that is not a page."""
        return self._client.get(self._at(path))

    def _at(self, path: str) -> str:
        # A page may name itself by a host that does not resolve here; only its path counts.
        parts = urlsplit(urljoin("http://page/", path))
        return f"{self.base_url}{parts.path}{'?' + parts.query if parts.query else ''}"

    def _settle(self, response: httpx.Response, expect: int) -> Page:
        for _ in range(3):
            if response.status_code not in (301, 302, 303, 307, 308):
                break
            response = self._client.get(self._at(response.headers["Location"]))
        path = urlsplit(str(response.url)).path
        if response.status_code != expect:
            raise JourneyFailedError(
                f"{_shown(path)} answered {response.status_code} instead of {expect}"
            )
        return Page(response)


def create_gathering(
    base_url: str, *, title: str | None = None, host: str | None = None
) -> Gathering:
    """Creates a gathering with three dishes, as an organiser would; usable by any test that needs one.

    Raises:
        JourneyFailedError: The application did not do it.
        httpx.HTTPError: The address does not answer.
    """
    title = title or f"Thanksgiving {secrets.token_hex(4)}"
    person = Browser(base_url, host=host)
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
    base = base_url.rstrip("/")
    return Gathering(title, f"{base}{path}", f"{base}{page.guest_path}")


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


def _shown(path: str) -> str:
    """A path without its secret token, for messages and logs."""
    return re.sub(r"/(g|o)/[^/]+", r"/\1/…", path)
