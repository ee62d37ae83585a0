"""Messages about releases to one webhook, of Slack, Teams or JSON, as Argo CD's are (argocd/install/notifications)."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from pipeline.core import markdown
from pipeline.core.errors import PipelineError

#: The webhook's address, which is a secret: who has it can write to the channel.
ADDRESS = "NOTIFICATION_URL"
FORMAT = "NOTIFICATION_FORMAT"
SECONDS = 15
#: Characters of a message: one line, far below what Slack (3000 a block) and Teams (28 KB) take.
LONGEST = 500


def on() -> bool:
    """Whether the workflow has a webhook."""
    return bool(os.environ.get(ADDRESS))


def send(text: str, links: Mapping[str, str]) -> None:
    """Sends one line with links by their words; an empty address is left out.

    Raises:
        PipelineError: The format is unknown, or the webhook did not take the message. It never has the address.
    """
    form = os.environ.get(FORMAT) or "json"
    if form not in FORMATS:
        raise PipelineError(
            f"{FORMAT} is {form!r:.40}", next_step=f"set it to one of {', '.join(FORMATS)}"
        )
    content = FORMATS[form](_line(text), {word: url for word, url in links.items() if url})
    address = os.environ[ADDRESS].strip()
    try:
        response = httpx.post(address, json=content, timeout=SECONDS)
        problem = "" if response.is_success else f"refused the message ({response.status_code})"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        problem = f"did not answer ({type(error).__name__})"  # its text may have the address
    if problem:
        raise PipelineError(
            f"the webhook {problem}",
            next_step=f"check the secret {ADDRESS} and the variable {FORMAT} (docs/github.md)",
        )


def _line(text: str) -> str:
    line = " ".join(markdown.one_line(text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _json(text: str, links: Mapping[str, str]) -> dict[str, Any]:
    return {"text": text, "links": links}


def _slack(text: str, links: Mapping[str, str]) -> dict[str, Any]:
    """An incoming webhook's. Nothing in the elements of ``rich_text`` is parsed; in ``text``, the preview, it is."""
    elements = [{"type": "text", "text": text}]
    for word, url in links.items():
        elements += [{"type": "text", "text": " · "}, {"type": "link", "url": url, "text": word}]
    section = {"type": "rich_text_section", "elements": elements}
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "blocks": [{"type": "rich_text", "elements": [section]}]}


def _teams(text: str, links: Mapping[str, str]) -> dict[str, Any]:
    """A workflow's (*Send webhook alerts to a channel*): an Adaptive Card, where a TextRun is no Markdown.

    The links are buttons: a TextRun with an action of its own is no link in every Teams (microsoft/AdaptiveCards#9100).
    """
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}],
        "actions": [
            {"type": "Action.OpenUrl", "title": word, "url": url} for word, url in links.items()
        ],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


FORMATS: dict[str, Callable[[str, Mapping[str, str]], dict[str, Any]]] = {
    "json": _json,
    "slack": _slack,
    "teams": _teams,
}
