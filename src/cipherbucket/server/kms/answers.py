"""Answers of the KMS endpoint as JSON or XML.

Rule: both are written from the same elements, nested mappings with lists of mappings; every answer
has a RequestId.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cipherbucket.server.kms.errors import KmsApiError, Refusal
from cipherbucket.server.kms.verification import KmsRequest
from cipherbucket.server.xml import Node, document

JSON = "application/json;charset=utf-8"
XML = "text/xml;charset=utf-8"


def content_type(request: KmsRequest) -> str:
    """Return what a request wants: XML by RPC where it does not say, and JSON with ACS3.

    Raises:
        KmsApiError: It wants something else.
    """
    wanted = request.parameter("Format").upper()
    if not wanted:
        xml = "xml" in request.headers.get("accept", "") if request.is_acs3 else True
        return XML if xml else JSON
    if wanted not in {"JSON", "XML"}:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "Format")
    return JSON if wanted == "JSON" else XML


def success(kind: str, action: str, elements: Mapping[str, Any], request_id: str) -> bytes:
    """Write the answer of an action."""
    return _written(kind, f"{action}Response", {**elements, "RequestId": request_id})


def failure(kind: str, error: KmsApiError, request_id: str, host: str) -> bytes:
    """Write the answer that is an error."""
    elements = {
        "HttpStatus": error.status,
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "HostId": host,
    }
    return _written(kind, "KMS", elements)


def _written(kind: str, root: str, elements: Mapping[str, Any]) -> bytes:
    if kind == JSON:
        return json.dumps(elements, ensure_ascii=False).encode()
    return document(root, _nodes(elements))


def _nodes(elements: Mapping[str, Any]) -> Iterator[Node]:
    for name, content in elements.items():
        for each in content if isinstance(content, list) else [content]:
            yield name, list(_nodes(each)) if isinstance(each, Mapping) else each
