"""A client of the KMS API as plain as can be, which signs for itself, by RPC and by ACS3.

It shares no code with the endpoint: what is signed is written down here once more.
"""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

from cipherbucket.server.kms import KmsEndpoint


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __getitem__(self, name: str) -> Any:
        return self.json[name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)

    @property
    def error(self) -> tuple[int, str]:
        assert self.json["HttpStatus"] == self.status
        return self.status, self.json["Code"]


class KmsClient:
    """Sends calls to one endpoint."""

    def __init__(self, endpoint: KmsEndpoint) -> None:
        self.endpoint = endpoint

    def __call__(self, action: str, /, **parameters: str) -> Answer:
        """Call by RPC, with the parameters in the URL and JSON as answer."""
        return self.rpc({"Action": action, "Format": "JSON", **parameters})

    def rpc(
        self,
        parameters: Mapping[str, str],
        *,
        method: str = "POST",
        form: Mapping[str, str] | None = None,
        path: str = "/",
        secret: str | None = None,
        more: Mapping[str, str] | None = None,
        replaced: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Call by RPC; ``replaced`` parameters are put in after signing, or left out for None."""
        query = {
            "Version": "2016-01-20",
            "AccessKeyId": self.endpoint.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": str(uuid.uuid4()),
            "Timestamp": timestamp(),
            **parameters,
        }
        signed = {**query, **(form or {})}
        pairs = "&".join(f"{_escaped(k)}={_escaped(v)}" for k, v in sorted(signed.items()))
        text = f"{method}&%2F&{_escaped(pairs)}"
        key = f"{secret or self.endpoint.access_key_secret}&".encode()
        digest = hmac.new(key, text.encode(), hashlib.sha1).digest()
        query["Signature"] = base64.b64encode(digest).decode()
        sent = {k: v for k, v in {**query, **(replaced or {})}.items() if v is not None}
        headers = dict(more or {})
        body = b""
        if form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        return self.send(method, f"{path}?{urlencode(sent)}", body, headers)

    def acs3(
        self,
        action: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes = b"",
        method: str = "POST",
        secret: str | None = None,
        signed: frozenset[str] | None = None,
        more: Mapping[str, str] | None = None,
        replaced: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Call by ACS3; ``replaced`` headers are put in after signing, or left out for None."""
        headers = {
            "host": self.endpoint.address,
            "x-acs-action": action,
            "x-acs-version": "2016-01-20",
            "x-acs-date": timestamp(),
            "x-acs-signature-nonce": str(uuid.uuid4()),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            **(more or {}),
        }
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        names = sorted(headers if signed is None else signed)
        pairs = sorted((query or {}).items())
        canonical = "\n".join(
            [
                method,
                "/",
                "&".join(f"{_escaped(k)}={_escaped(v)}" for k, v in pairs),
                "".join(f"{name}:{headers[name].strip()}\n" for name in names),
                ";".join(names),
                headers["x-acs-content-sha256"],
            ]
        )
        text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = (secret or self.endpoint.access_key_secret).encode()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.endpoint.access_key_id},"
            f"SignedHeaders={';'.join(names)},Signature={signature}"
        )
        headers = {k: v for k, v in {**headers, **(replaced or {})}.items() if v is not None}
        return self.send(method, f"/?{urlencode(query or {})}", body, headers)

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request as it is."""
        where = urlsplit(self.endpoint.url)
        connection = http.client.HTTPConnection(where.netloc, timeout=30)
        if where.scheme == "https":
            trusted = ssl.create_default_context(cafile=self.endpoint.certificate)
            connection = http.client.HTTPSConnection(where.netloc, timeout=30, context=trusted)
        try:
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


def timestamp(moment: datetime | None = None) -> str:
    """Write a moment, or now, as requests do."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
