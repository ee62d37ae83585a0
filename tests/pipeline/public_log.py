"""Stand-ins for the public Sigstore: an authority (Fulcio), a log (Rekor) and GitHub's identities, over HTTP.

They make what the specifications ask for, with keys of their own; the library verifies it as it does the real ones.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sigstore.models import ClientTrustConfig

from tests import answering
from tests.answering import Handler

ISSUER = "https://token.actions.githubusercontent.com"
#: Fulcio's own extensions (fulcio/docs/oid-info.md), each a DER string.
ISSUER_V2, BUILD_CONFIG = (f"1.3.6.1.4.1.57264.1.{number}" for number in (8, 18))
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
#: A certificate is good for ten minutes.
LIFETIME = timedelta(minutes=10)
ORIGIN = "rekor.test - 1"


def private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


def public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Sigstore:
    """One instance, with keys of its own. ``claims`` are those of the job that runs next; ``late`` how long after its
    certificate was made an entry is logged.
    """

    def __init__(self, url: str = "http://127.0.0.1:1") -> None:
        self.url, self.claims, self.late = url, dict[str, str](), timedelta()
        self.authority, self.certificates, self.log = private(), private(), private()
        self.root = self._root()

    @property
    def log_id(self) -> bytes:
        return hashlib.sha256(public(self.log)).digest()

    def config(self) -> ClientTrustConfig:
        """What sigstore-python knows of this instance: its keys, and where its services answer."""
        return ClientTrustConfig.from_json(json.dumps(self._document()))

    def trusted_root(self) -> str:
        """Its keys alone (JSON), as other clients read them."""
        return json.dumps(self._document()["trustedRoot"])

    def _document(self) -> dict[str, Any]:
        since = {"start": "2020-01-01T00:00:00Z"}
        service = {"url": self.url, "majorApiVersion": 1, "validFor": since, "operator": "test"}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": self.url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": text(public(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": since,
                },
                "logId": {"keyId": text(hashlib.sha256(public(key)).digest())},
            }

        root = text(self.root.public_bytes(serialization.Encoding.DER))
        authority = {
            "subject": {"organization": "test", "commonName": "test"},
            "uri": self.url,
            "certChain": {"certificates": [{"rawBytes": root}]},
            "validFor": since,
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log)],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self.certificates)],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [service],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }

    def token(self) -> str:
        """The identity of the job that runs, as GitHub hands it out."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": "sigstore", "sub": "repo:owner/shop", "iat": now}
        return jwt.encode(claims | {"exp": now + 300} | self.claims, "s" * 32, algorithm="HS256")

    def certificate(self, request: x509.CertificateSigningRequest, token: str) -> list[str]:
        """The chain (PEM) for a key and an identity, with the certificate log's promise in the first."""
        claims = jwt.decode(token, options={"verify_signature": False})
        began = datetime.now(UTC).replace(microsecond=0)
        usage = [ExtendedKeyUsageOID.CODE_SIGNING]
        identity = x509.UniformResourceIdentifier(
            f"https://github.com/{claims['job_workflow_ref']}"
        )
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began - timedelta(seconds=5))
            .not_valid_after(began + LIFETIME)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(x509.SubjectAlternativeName([identity]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()),
                critical=False,
            )
            .add_extension(_extension(ISSUER_V2, claims["iss"]), critical=False)
            .add_extension(
                _extension(BUILD_CONFIG, f"https://github.com/{claims['workflow_ref']}"),
                critical=False,
            )
        )
        promised = built.add_extension(
            x509.UnrecognizedExtension(
                SCT_LIST, self._promise(built.sign(self.authority, hashes.SHA256()), began)
            ),
            critical=False,
        ).sign(self.authority, hashes.SHA256())
        pem = serialization.Encoding.PEM
        return [each.public_bytes(pem).decode() for each in (promised, self.root)]

    def entry(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """The entry (dsse 0.0.1) of an envelope, as the only one of its log, as Rekor answers."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": _sha256(content["envelope"].encode()),
                "payloadHash": _sha256(payload),
                "signatures": [
                    {
                        "signature": envelope["signatures"][0]["sig"],
                        "verifier": content["verifiers"][0],
                    }
                ],
            },
        }
        canonical = _canonical(body)
        root = hashlib.sha256(b"\0" + canonical).digest()
        entry = {
            "body": text(canonical),
            "integratedTime": int((datetime.now(UTC) + self.late).timestamp()),
            "logID": self.log_id.hex(),
            "logIndex": 0,
        }
        note = f"{ORIGIN}\n1\n{text(root)}\n"
        signature = text(self.log_id[:4] + sign(self.log, note.encode()))
        proof = {
            "logIndex": 0,
            "treeSize": 1,
            "rootHash": root.hex(),
            "hashes": [],
            "checkpoint": f"{note}\n\N{EM DASH} {ORIGIN.split(maxsplit=1)[0]} {signature}\n",
        }
        promise = text(sign(self.log, _canonical(entry)))
        verification = {"signedEntryTimestamp": promise, "inclusionProof": proof}
        return {"1" * 64: {**entry, "verification": verification}}

    def _promise(self, certificate: x509.Certificate, at: datetime) -> bytes:
        """A list of one signed certificate timestamp (RFC 6962, 3.2 and 3.3) as an extension's value."""
        stamp = int(at.timestamp() * 1000).to_bytes(8, "big")
        content = certificate.tbs_certificate_bytes
        issuer = hashlib.sha256(public(self.authority)).digest()
        entry = b"\x00\x01" + issuer + len(content).to_bytes(3, "big") + content
        signature = sign(self.certificates, b"\x00\x00" + stamp + entry + b"\x00\x00")
        log = hashlib.sha256(public(self.certificates)).digest()
        # SHA-256 (4) by ECDSA (3), RFC 5246.
        sct = b"\x00" + log + stamp + b"\x00\x00" + b"\x04\x03" + _sized(signature)
        return _der(0x04, _sized(_sized(sct)))

    def _root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        key, began = self.authority.public_key(), datetime.now(UTC) - timedelta(days=1)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self.authority, hashes.SHA256())
        )


@contextmanager
def served() -> Iterator[Sigstore]:
    """An instance whose services answer on this machine while the body runs."""

    class Services(Handler):
        def do_GET(self) -> None:
            self._answer({"value": sigstore.token()})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path.endswith("/log/entries"):
                self._answer(sigstore.entry(body), 201)
                return
            request = x509.load_pem_x509_csr(base64.b64decode(body["certificateSigningRequest"]))
            chain = sigstore.certificate(request, self.headers["authorization"].split()[1])
            self._answer({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}, 201)

        def _answer(self, content: dict[str, Any], status: int = 200) -> None:
            self.answer(json.dumps(content).encode(), status)

    with answering.served(Services) as url:
        sigstore = Sigstore(url)
        yield sigstore


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x81" + bytes([size])
    return bytes([tag]) + length + content


def _extension(oid: str, value: str) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), _der(0x0C, value.encode()))


def _usage(**chosen: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: chosen.get(name, False) for name in names.split()})
