"""A KMS in a page: the one that the vectors' SDKs were given (`tests/vectors/README.md`).

A blob is base64 of the key's id, a nonce, and AES-256-GCM of the plaintext's text under a key made
from the id, with the text of the encryption context as associated data. The endpoint of
`cipherbucket.server` checks signatures; this one lets a test say what goes wrong.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.scripted_http import Answer, Request, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.keys.kms.key import AliKmsKey
from cipherbucket.keys.kms.settings import KmsSettings

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
"""The KMS key of the vectors."""
OTHER_ID = "99999999-12ab-34cd-56ef-1234567890ab"
SECRET = "secret-of-the-access-key"


class Refusal(Exception):  # noqa: N818
    """An error of the service."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        body = {"Code": code, "Message": f"{code} it is.", "RequestId": "R-1", "HostId": "kms"}
        self.answer = Answer(
            status, {"content-type": "application/json", **headers}, json.dumps(body).encode()
        )


@dataclass
class Call:
    """One call as it arrived."""

    action: str
    parameters: dict[str, str]
    request: Request


@dataclass
class StubKms:
    """A running stub.

    Attributes:
        url: Where it listens.
        calls: What arrived so far.
        aliases: Ids by alias or ARN.
        meddle: Called before each call is answered; raises, answers, or returns None.
        delay: Seconds that each answer takes.
        most_at_once: How many calls were under way at one time, at most.
    """

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    keys: set[str] = field(default_factory=lambda: {KEY_ID, OTHER_ID})
    aliases: dict[str, str] = field(default_factory=dict)
    meddle: Callable[[Call], Answer | None] = lambda _: None
    delay: float = 0.0
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def actions(self) -> Counter[str]:
        """How often each action was called."""
        return Counter(call.action for call in self.calls)

    def settings(self, **options: Any) -> KmsSettings:
        """Return settings that lead here."""
        given = {"credentials": Credentials("key-id", SECRET), "endpoint": self.url, **options}
        return KmsSettings(**given)

    def key(self, key_id: str = KEY_ID, /, **options: Any) -> AliKmsKey:
        """Return a master key held here."""
        return AliKmsKey(key_id, self.settings(), **options)

    def respond(self, request: Request) -> Answer:
        """Answer one request."""
        parameters = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
        parameters |= dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        call = Call(request.headers["x-acs-action"], parameters, request)
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        if self.delay:
            time.sleep(self.delay)
        try:
            if (told := self.meddle(call)) is not None:
                return told
            body = getattr(self, f"_{call.action.lower()}")(call.parameters)
        except Refusal as refusal:
            return refusal.answer
        finally:
            with self._lock:
                self._now -= 1
        return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def blob(self, text: str, key_id: str = KEY_ID, context: str = "") -> str:
        """Wrap a text."""
        nonce = secrets.token_bytes(12)
        sealed = cipher(key_id).encrypt(nonce, text.encode(), context.encode())
        return base64.b64encode(key_id.encode() + nonce + sealed).decode()

    def _id(self, name: str) -> str:
        key_id = self.aliases.get(name, name)
        if key_id not in self.keys:
            raise Refusal(404, "Forbidden.KeyNotFound")
        return key_id

    def _describekey(self, asked: dict[str, str]) -> dict[str, object]:
        return {"KeyMetadata": {"KeyId": self._id(asked["KeyId"])}, "RequestId": "R-1"}

    def _generatedatakey(self, asked: dict[str, str]) -> dict[str, object]:
        plaintext = base64.b64encode(secrets.token_bytes(int(asked["NumberOfBytes"]))).decode()
        return {"Plaintext": plaintext, **self._encrypt({**asked, "Plaintext": plaintext})}

    def _encrypt(self, asked: dict[str, str]) -> dict[str, object]:
        key_id = self._id(asked["KeyId"])
        blob = self.blob(asked["Plaintext"], key_id, asked.get("EncryptionContext", ""))
        return {"KeyId": key_id, "CiphertextBlob": blob, "RequestId": "R-1"}

    def _decrypt(self, asked: dict[str, str]) -> dict[str, object]:
        try:
            blob = base64.b64decode(asked["CiphertextBlob"], validate=True)
            key_id = blob[:36].decode()
            context = asked.get("EncryptionContext", "").encode()
            text = cipher(key_id).decrypt(blob[36:48], blob[48:], context).decode()
        except (ValueError, InvalidTag):
            raise Refusal(400, "InvalidParameter") from None
        return {"KeyId": self._id(key_id), "Plaintext": text, "RequestId": "R-1"}


def cipher(key_id: str) -> AESGCM:
    return AESGCM(hashlib.sha256(f"kms-stub-master:{key_id}".encode()).digest())


@contextmanager
def stub_kms() -> Iterator[StubKms]:
    """Run a stub while the block runs."""
    kms = StubKms()
    with scripted(kms.respond) as server:
        kms.url = server.url
        yield kms
