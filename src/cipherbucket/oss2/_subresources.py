"""The calls of a `CryptoBucket` about what stands beside an object's content.

ACL, tags, symlinks, restoring, presigned URLs: none of it needs a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from cipherbucket.oss2 import _xml
from cipherbucket.oss2._access import Face
from cipherbucket.oss2._arguments import in_headers, query_of, sorted_headers
from cipherbucket.oss2._entries import RestoreConfiguration
from cipherbucket.oss2._error_translation import exchange
from cipherbucket.oss2._results import (
    GetObjectAclResult,
    GetSymlinkResult,
    GetTaggingResult,
    RequestResult,
)
from cipherbucket.oss2._tagging import Tagging
from cipherbucket.oss2.exceptions import ClientError
from cipherbucket.oss2.headers import OSS_OBJECT_ACL, OSS_SYMLINK_TARGET
from cipherbucket.oss2.http import CaseInsensitiveDict


class Subresources(Face):
    """ACL, tags, symlinks, restoring, presigned URLs."""

    def sign_url(
        self,
        method: str,
        key: str,
        expires: int,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        slash_safe: bool = False,
        additional_headers: object = None,
    ) -> str:
        """Return a URL that lets others send one kind of request for some time.

        Whoever has it gets ciphertext, and needs the key too: `get_object_with_url` decrypts.

        Args:
            method: GET, HEAD, DELETE ...; PUT and POST would store what is not encrypted.
            key: The object's name.
            expires: Seconds.
            headers: What the request will bring, as far as it is signed.
            params: Parameters, signed.
            slash_safe: Whether slashes of the name stay slashes, or are written ``%2F``.
            additional_headers: None; the signer of further headers is not offered.

        Raises:
            ClientError: No name, or one that begins with ``?`` under signature version 1.
        """
        if key is None or not key.strip():
            raise ClientError("The key is invalid, please check it.")
        if self.is_verify_object_strict and key.startswith("?"):
            raise ClientError("The key cannot start with `?`, please check it.")
        if additional_headers:
            raise ClientError("additional_headers are not offered: sign without them")
        sent = sorted_headers(headers)
        told = in_headers(sent.metadata) | sent.kept | sent.added
        if sent.md5 is not None:
            told["content-md5"] = sent.md5
        with exchange():
            store = self._connection.store()
            url = store.presign(method, key, int(expires), headers=told, query=query_of(params))
        return url if slash_safe is True else _slashes_escaped(url, key)

    def put_object_acl(
        self,
        key: str,
        permission: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Set an object's ACL: one of the ``OBJECT_ACL_`` constants."""
        told = CaseInsensitiveDict(headers)
        told[OSS_OBJECT_ACL] = permission
        return RequestResult(
            self._ask_object(
                "PutObjectAcl", "PUT", key, headers=told, params=params, subresource="acl"
            )
        )

    def get_object_acl(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetObjectAclResult:
        """Tell an object's ACL."""
        return _xml.acl(
            self._ask_object(
                "GetObjectAcl", "GET", key, headers=headers, params=params, subresource="acl"
            )
        )

    def put_object_tagging(
        self,
        key: str,
        tagging: Tagging | str | bytes,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Set an object's tags, given as `Tagging` or as the XML of the request."""
        body = _xml.tagging_request(tagging) if isinstance(tagging, Tagging) else _bytes(tagging)
        return RequestResult(
            self._ask_object(
                "PutObjectTagging",
                "PUT",
                key,
                headers=headers,
                params=params,
                body=body,
                subresource="tagging",
            )
        )

    def get_object_tagging(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetTaggingResult:
        """Tell an object's tags."""
        return _xml.tagging(
            self._ask_object(
                "GetObjectTagging",
                "GET",
                key,
                headers=headers,
                params=params,
                subresource="tagging",
            )
        )

    def delete_object_tagging(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Remove an object's tags."""
        return RequestResult(
            self._ask_object(
                "DeleteObjectTagging",
                "DELETE",
                key,
                headers=headers,
                params=params,
                subresource="tagging",
            )
        )

    def put_symlink(
        self, target_key: str, symlink_key: str, headers: Mapping[str, str] | None = None
    ) -> RequestResult:
        """Make a symlink, through which the other object is read."""
        told = CaseInsensitiveDict(headers)
        told[OSS_SYMLINK_TARGET] = quote(target_key, "")
        return RequestResult(
            self._ask_object("PutSymlink", "PUT", symlink_key, headers=told, subresource="symlink")
        )

    def get_symlink(
        self,
        symlink_key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetSymlinkResult:
        """Tell where a symlink leads."""
        return GetSymlinkResult(
            self._ask_object(
                "GetSymlink",
                "GET",
                symlink_key,
                headers=headers,
                params=params,
                subresource="symlink",
            )
        )

    def restore_object(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        input: RestoreConfiguration | str | bytes | None = None,  # noqa: A002  a name of oss2
    ) -> RequestResult:
        """Ask for an archived object to be made readable.

        Args:
            key: Its name.
            params: Parameters, such as ``versionId``.
            headers: Request headers.
            input: For how long and how fast; None for one day.
        """
        body = (
            _xml.restore_request(input)
            if isinstance(input, RestoreConfiguration)
            else _bytes(input or b"")
        )
        return RequestResult(
            self._ask_object(
                "RestoreObject",
                "POST",
                key,
                headers=headers,
                params=params,
                body=body,
                subresource="restore",
            )
        )


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _slashes_escaped(url: str, key: str) -> str:
    """Write the slashes of an object's name as ``%2F``; what was signed is the name itself."""
    path, mark, query = url.partition("?")
    return "%2F".join(path.rsplit("/", key.count("/"))) + mark + query
