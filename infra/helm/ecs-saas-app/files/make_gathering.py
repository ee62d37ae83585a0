"""Makes a gathering through the Service and reads it back through its guest link, until two tries in a row see it.

Usage: make_gathering.py URL
"""

import datetime
import re
import secrets
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

READS = 6


def main(base: str) -> None:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def page(path: str, fields: dict[str, object] | None = None) -> str:
        data = urllib.parse.urlencode(fields, doseq=True).encode() if fields else None
        with browser.open(base + path, data, timeout=20) as response:
            return str(response.read().decode())

    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page("/new"))
    if not token:
        sys.exit("the form has no token")
    title = f"Chart test {secrets.token_hex(4)}"
    made = page(
        "/new",
        {
            "csrf_token": token[1],
            "title": title,
            "date": (datetime.date.today() + datetime.timedelta(days=1)).isoformat(),
            "time": "15:00",
            "timezone": "America/New_York",
            "place": "This cluster",
            "dish_name": ["Turkey"],
            "dish_category": ["mains"],
            "dish_wanted": ["1"],
        },
    )
    guest = re.search(r'data-path="(/g/[^"]+)"', made)
    if not guest:
        sys.exit("the gathering has no guest link")
    # Several reads reach several pods: all of them have the one database.
    for _ in range(READS):
        if title not in page(guest[1]):
            sys.exit("a pod does not know the gathering")
    print(f"{title}: made, and read {READS} times")


main(sys.argv[1])
