"""How long the guest page of 200 guests takes at a constant rate: ``python -m tests.app.load URL [RATE SECONDS]``.

Open loop: a request is sent when it is due, however slow the answers are, and its time counts from then.
"""

import asyncio
import sys
import time
from urllib.parse import urlsplit

from tests.acceptance import journeys

GUESTS, DISHES, POSTS = 200, 20, 30
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def fill(url: str) -> str:
    """Creates the gathering; returns the path of its guest page."""
    event = journeys.create_gathering(url)
    for number in range(GUESTS):
        guest = journeys.Browser(url)
        page = journeys.rsvp(guest, event.guest_path, f"Guest number {number}", party_size="2")
        own = {"category": "sides", "name": f"Dish {number}", "portions": "1"}
        if number < DISHES:
            guest.send(page, f"{event.guest_path}/dishes", own)
        if number < POSTS:
            guest.send(page, f"{event.guest_path}/thanks", {"text": f"For number {number}"})
    return event.guest_path


async def measure(url: str, path: str, rate: float, seconds: float) -> list[float]:
    """Seconds that each answer took, in ascending order.

    Raises:
        RuntimeError: An answer was not 200.
    """
    host = urlsplit(url)
    idle: list[Connection] = []
    request = f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode()

    async def ask(due: float) -> float:
        connection = idle.pop() if idle else await asyncio.open_connection(host.hostname, host.port)
        reader, writer = connection
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(head.partition("\r\n")[0])
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        idle.append(connection)
        return time.monotonic() - due

    begin, answers = time.monotonic(), []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(due - time.monotonic())
        answers.append(asyncio.create_task(ask(due)))
    return sorted(await asyncio.gather(*answers))


def main() -> None:
    """Prints the median, the 99th percentile and the maximum in milliseconds."""
    url, rate, seconds = sys.argv[1], *map(float, sys.argv[2:] or ("50", "30"))
    times = asyncio.run(measure(url, fill(url), rate, seconds))
    p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    longest = times[-1] * 1000
    print(f"{len(times)} at {rate:g}/s: p50 {p50:.0f}, p99 {p99:.0f}, max {longest:.0f} ms")


if __name__ == "__main__":
    main()
