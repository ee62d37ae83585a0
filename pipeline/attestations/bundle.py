"""Signed statements as Sigstore bundles (protobuf-specs, v0.3): what cosign, gh and policy controllers read."""

import base64
import json
from dataclasses import dataclass
from typing import Any

TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
#: The media type of an in-toto statement inside the envelope (in-toto attestation framework, v1).
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Bundle:
    """A statement (JSON), its signature (ASN.1 DER), and which key made it."""

    payload: bytes
    signature: bytes
    hint: str


def signed_bytes(payload: bytes) -> bytes:
    """What a signature is over: the pre-authentication encoding of DSSE, version 1."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write(bundle: Bundle) -> bytes:
    """The bundle as JSON. Without a log's entry: nobody but the registry is told of the image."""
    document = {
        "mediaType": TYPE,
        "verificationMaterial": {"publicKey": {"hint": bundle.hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(bundle.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(bundle.signature).decode()}],
        },
    }
    return json.dumps(document).encode()


def read(content: bytes) -> Bundle:
    """The bundle of a document; raises ValueError where it is none of a signed in-toto statement."""
    try:
        document: dict[str, Any] = json.loads(content or b"{}")
        envelope = document["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"its payload is {envelope['payloadType']!r:.80}")
        # Whoever signs without a key of their own has a certificate instead, and no hint.
        hint = document["verificationMaterial"].get("publicKey", {}).get("hint", "")
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        return Bundle(base64.b64decode(envelope["payload"], validate=True), signature, hint)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("what is attached to it is no signed statement") from error
