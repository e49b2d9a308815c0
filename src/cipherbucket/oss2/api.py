"""`CryptoBucket`: oss2's encrypting bucket, over this library's own.

A verb is a few lines: it builds the parameters of one request (`_connection`) whose answer `_xml`
or a class of `_results` reads, or calls the function that does its work: `_objects` for whole
objects, `_multipart` for uploads in parts, `_signed_urls`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from cipherbucket.envelopes.policy import Policy
from cipherbucket.oss2 import _listings, _multipart, _objects, _signed_urls, _xml, defaults
from cipherbucket.oss2._access import OssAccess, Uploads
from cipherbucket.oss2._arguments import (
    Bounds,
    FileName,
    ProgressCallback,
    file_named,
    query_of,
)
from cipherbucket.oss2._connection import (
    Connection,
    Place,
    checked_bucket_name,
    checked_endpoint,
)
from cipherbucket.oss2._crypto_context import MultipartUploadCryptoContext
from cipherbucket.oss2._entries import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionList,
    PartInfo,
    RestoreConfiguration,
)
from cipherbucket.oss2._provider import BaseCryptoProvider
from cipherbucket.oss2._results import (
    BatchDeleteObjectsResult,
    GetObjectAclResult,
    GetObjectMetaResult,
    GetObjectResult,
    GetSymlinkResult,
    GetTaggingResult,
    HeadObjectResult,
    InitMultipartUploadResult,
    ListMultipartUploadsResult,
    ListObjectsResult,
    ListObjectsV2Result,
    ListObjectVersionsResult,
    ListPartsResult,
    PutObjectResult,
    RequestResult,
)
from cipherbucket.oss2._tagging import Tagging
from cipherbucket.oss2.auth import AUTH_VERSION_1, AuthBase
from cipherbucket.oss2.exceptions import ClientError, NoSuchBucket, NotFound
from cipherbucket.oss2.headers import (
    OSS_ENCRYPTION_CLIENT,
    OSS_OBJECT_ACL,
    OSS_SYMLINK_TARGET,
)
from cipherbucket.oss2.http import USER_AGENT, Session

_ELSEWHERE = "use oss2 itself, alibabacloud-oss-v2 or the console"


class CryptoBucket:
    """Encrypted objects in an OSS bucket, under oss2's names.

    >>> from cipherbucket import oss2
    >>> from cipherbucket.oss2.crypto import RsaProvider
    >>> auth = oss2.Auth("access-key-id", "access-key-secret")
    >>> keys = {"public_key": public_pem, "private_key": private_pem}     # doctest: +SKIP
    >>> bucket = oss2.CryptoBucket(auth, "https://oss-cn-hangzhou.aliyuncs.com", "examplebucket",
    ...                            crypto_provider=RsaProvider(keys))     # doctest: +SKIP
    >>> bucket.put_object("exampleobject.txt", "Hello OSS!").status       # doctest: +SKIP
    200

    All calls may be made from several threads at once. Each raises `ServerError` where the service
    refuses or fails, and `RequestError` where no answer came.

    Args:
        auth: Who asks; see `cipherbucket.oss2.auth`.
        endpoint: Host or URL; without a scheme it is ``http``, as in oss2.
        bucket_name: The bucket.
        crypto_provider: The master keys; see `cipherbucket.oss2.crypto`.
        is_cname: Whether the endpoint is a domain of the bucket's own.
        session: Without effect; see `cipherbucket.oss2.http.Session`.
        connect_timeout: Seconds until a connection that does not come about, or falls silent, is
            given up; a pair for the two. None takes ``defaults.connect_timeout``.
        app_name: What the program is called in the ``User-Agent``.
        enable_crc: Whether results have ``client_crc``. What is sent and read is checked anyway.
        proxies: Proxies by scheme, such as ``{"https": "http://proxy:3128"}``. None asks the
            environment.
        region: Such as ``cn-hangzhou``; signature version 4 needs it.
        cloudbox_id: The CloudBox, in the place of a region.
        is_path_style: Whether the bucket stands in the path instead of the host name.
        policy: What is accepted on reading; None as in `cipherbucket.Bucket`: encrypted objects
            of the formats that oss2 writes. ``Policy(plaintext=True)`` passes through what is not
            encrypted, as oss2 does.

    Raises:
        ClientError: An argument that cannot be.
    """

    ACL = "acl"
    OBJECTMETA = "objectMeta"
    PROCESS = "x-oss-process"
    RESTORE = "restore"
    SYMLINK = "symlink"
    TAGGING = "tagging"
    VERSIONID = "versionId"
    VERSIONS = "versions"

    def __init__(
        self,
        auth: AuthBase,
        endpoint: str,
        bucket_name: str,
        crypto_provider: BaseCryptoProvider,
        is_cname: bool = False,
        session: Session | None = None,
        connect_timeout: float | tuple[float, float] | None = None,
        app_name: str = "",
        enable_crc: bool = True,
        proxies: Mapping[str, str | None] | None = None,
        region: str | None = None,
        cloudbox_id: str | None = None,
        is_path_style: bool = False,
        *,
        policy: Policy | None = None,
    ) -> None:
        if not isinstance(crypto_provider, BaseCryptoProvider):
            raise ClientError("crypto_provider must be an instance of BaseCryptoProvider")
        if not isinstance(policy, Policy | None):
            raise ClientError("policy must be a cipherbucket.Policy")
        _check_auth(auth)
        self.endpoint = checked_endpoint(endpoint)
        self.bucket_name = checked_bucket_name(bucket_name)
        self.crypto_provider = crypto_provider
        self.session = session or Session()
        self.app_name = app_name
        self.enable_crc = enable_crc
        self.region = region
        self.cloudbox_id = cloudbox_id
        self.product = "oss" if cloudbox_id is None else "oss-cloudbox"
        self.policy = policy
        self.user_agent = "/".join(filter(None, (USER_AGENT, app_name, OSS_ENCRYPTION_CLIENT)))
        self.is_verify_object_strict = auth.auth_version() == AUTH_VERSION_1
        self._uploads = Uploads({}, threading.Lock())
        self.upload_contexts = self._uploads.by_id
        self.upload_contexts_lock = self._uploads.lock
        self._connection = Connection(
            auth,
            Place(
                endpoint=self.endpoint,
                bucket_name=self.bucket_name,
                is_cname=is_cname,
                timeout=defaults.connect_timeout if connect_timeout is None else connect_timeout,
                app_name=app_name,
                proxies=proxies,
                region=region,
                cloudbox_id=cloudbox_id,
                is_path_style=is_path_style,
            ),
        )

    @property
    def auth(self) -> AuthBase:
        """Who asks; another may be put in its place at any time."""
        return self._connection.auth

    @auth.setter
    def auth(self, auth: AuthBase) -> None:
        _check_auth(auth)
        self._connection.auth = auth

    @property
    def timeout(self) -> float | tuple[float, float]:
        """Seconds, see ``connect_timeout``; set, it counts from the next call on."""
        return self._connection.place.timeout

    @timeout.setter
    def timeout(self, seconds: float | tuple[float, float]) -> None:
        self._connection.place = replace(self._connection.place, timeout=seconds)

    @property
    def proxies(self) -> Mapping[str, str | None] | None:
        """Proxies by scheme; set, they count from the next call on."""
        return self._connection.place.proxies

    @proxies.setter
    def proxies(self, proxies: Mapping[str, str | None] | None) -> None:
        self._connection.place = replace(self._connection.place, proxies=proxies)

    @property
    def access(self) -> OssAccess:
        """Connection, keys and policy, for the functions beside this class; oss2 has no such."""
        return OssAccess(
            self._connection,
            self.crypto_provider,
            self.policy,
            bool(self.enable_crc),
            self._uploads,
        )

    def close(self) -> None:
        """Close connections; the next call opens new ones. oss2 has no such call."""
        self._connection.close()

    def get_object(
        self,
        key: str,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
        process: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> GetObjectResult:
        """Fetch an object, or a range of it, and decrypt it while it is read.

        Args:
            key: Its name.
            byte_range: First and last byte, both inclusive; None for the end of the object.
            headers: Request headers, such as ``If-Match``.
            progress_callback: Called with (bytes done, bytes in all).
            process: None; ciphertext cannot be processed.
            params: Parameters, such as ``versionId``.

        Raises:
            NoSuchKey: No such object.
            ServerError: 416: the range begins after the end.
            ClientError: No key has its description, or the key does not open it; or the range is
                a suffix, or none.
            InconsistentError: It is not encrypted and the policy demands it, its envelope cannot
                be understood, or it is not what was stored.
        """
        return _objects.get(
            self.access, key, byte_range, headers, progress_callback, process, params
        )

    def get_object_to_file(
        self,
        key: str,
        filename: FileName,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
        process: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> GetObjectResult:
        """Write an object, or a range of it, to a file, which appears only when all of it is good.

        Args:
            key: Its name.
            filename: The file; one that is there is replaced. A new one is readable by its owner
                alone.
            byte_range: As in `get_object`, as all that follow.
            headers: Request headers.
            progress_callback: Called with (bytes done, bytes in all).
            process: None.
            params: Parameters.

        Raises:
            OSError: The file cannot be written.
            And the exceptions of `get_object`.
        """
        result = self.get_object(key, byte_range, headers, progress_callback, process, params)
        return _objects.save_result(result, filename)

    def get_object_with_url(
        self,
        sign_url: str,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> GetObjectResult:
        """Fetch the object behind a presigned URL; otherwise as `get_object`.

        Args:
            sign_url: From `sign_url`, for GET.
            byte_range: As in `get_object`.
            headers: Request headers, as they were signed.
            progress_callback: Called with (bytes done, bytes in all).
        """
        return _objects.get_by_url(self.access, sign_url, byte_range, headers, progress_callback)

    def get_object_with_url_to_file(
        self,
        sign_url: str,
        filename: FileName,
        byte_range: Bounds | None = None,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> GetObjectResult:
        """Write the object behind a presigned URL to a file; see `get_object_to_file`."""
        result = self.get_object_with_url(sign_url, byte_range, headers, progress_callback)
        return _objects.save_result(result, filename)

    def head_object(
        self,
        key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> HeadObjectResult:
        """Return what is known of an object, encrypted or not; no key is needed.

        Raises:
            NoSuchKey: No such object.
        """
        return HeadObjectResult(
            self._connection.ask_object("HeadObject", "HEAD", key, headers=headers, params=params)
        )

    def get_object_meta(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetObjectMetaResult:
        """Return size, ETag and time of an object.

        Raises:
            NoSuchKey: No such object.
        """
        answer = self._connection.ask_object(
            "GetObjectMeta", "HEAD", key, headers=headers, params=params, subresource="objectMeta"
        )
        return GetObjectMetaResult(answer)

    def object_exists(self, key: str, headers: Mapping[str, str] | None = None) -> bool:
        """Return whether there is an object of this name, encrypted or not.

        Raises:
            NoSuchBucket: There is no such bucket.
        """
        try:
            self.get_object_meta(key, headers=headers)
        except NoSuchBucket:
            raise
        except NotFound:
            return False
        return True

    def put_object(
        self,
        key: str,
        data: Any,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> PutObjectResult:
        """Encrypt a body and store it, wholly or not at all.

        Args:
            key: The object's name.
            data: Bytes, text (stored as UTF-8), a binary file, read from its position on, or an
                iterable of bytes.
            headers: Request headers: ``x-oss-meta-``..., ``Content-Type`` (otherwise guessed from
                the name) and the like. ``Content-MD5`` is of the plaintext: it is checked and
                recorded in the clear, with a warning. ``Content-Length`` is checked.
            progress_callback: Called with (bytes done, bytes in all or None).

        Raises:
            ClientError: Something that cannot be done.
            InconsistentError: What arrived is not what was sent.
        """
        return _objects.put(self.access, key, data, headers, progress_callback, named=key)

    def put_object_from_file(
        self,
        key: str,
        filename: FileName,
        headers: Mapping[str, str] | None = None,
        progress_callback: ProgressCallback | None = None,
    ) -> PutObjectResult:
        """Encrypt a file and store it; see `put_object`.

        Raises:
            OSError: The file cannot be read.
            And the exceptions of `put_object`; ClientError where it changed while it was read.
        """
        path = os.fsdecode(filename)
        with file_named(filename):
            return _objects.put(
                self.access, key, Path(path), headers, progress_callback, named=path
            )

    def copy_object(
        self,
        source_bucket_name: str,
        source_key: str,
        target_key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> PutObjectResult:
        """Copy an object inside the service: its envelope goes along, and no key is needed.

        Args:
            source_bucket_name: Where it is.
            source_key: Its name.
            target_key: The copy's name, in this bucket.
            headers: Request headers. With ``x-oss-metadata-directive: REPLACE``, and where the
                copy is the object itself, an encrypted object keeps its envelope, or the call is
                refused.
            params: ``versionId`` of the source.

        Raises:
            ClientError: The metadata of an encrypted object would be replaced, which the service
                allows nobody.
            NoSuchKey: No such source.
        """
        version = (params or {}).get(self.VERSIONID)
        return _objects.copy(
            self._connection, source_bucket_name, source_key, target_key, headers, version
        )

    def update_object_meta(self, key: str, headers: Mapping[str, str] | None) -> PutObjectResult:
        """Replace an object's metadata and content headers; its envelope is never lost.

        Args:
            key: Its name.
            headers: All of them from now on; None leaves them.

        Raises:
            ClientError: The object is encrypted in a format whose metadata the service lets nobody
                change: put it again. oss2 asks the service nevertheless.
            NoSuchKey: No such object.
        """
        return _objects.update_metadata(self.access, key, headers)

    def delete_object(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Delete an object, or the version of ``params["versionId"]``.

        Deleting what is not there is no error.
        """
        return RequestResult(
            self._connection.ask_object(
                "DeleteObject", "DELETE", key, headers=headers, params=params
            )
        )

    def batch_delete_objects(
        self, key_list: Iterable[str], headers: Mapping[str, str] | None = None
    ) -> BatchDeleteObjectsResult:
        """Delete up to 1,000 objects.

        Raises:
            ClientError: None is named.
        """
        if not key_list:
            raise ClientError("key_list must not be empty")
        return _objects.delete(self._connection, map(BatchDeleteObjectVersion, key_list), headers)

    def delete_object_versions(
        self,
        keylist_versions: BatchDeleteObjectVersionList,
        headers: Mapping[str, str] | None = None,
    ) -> BatchDeleteObjectsResult:
        """Delete up to 1,000 versions.

        Raises:
            ClientError: None is named.
        """
        if not keylist_versions:
            raise ClientError("keylist_versions must not be empty")
        return _objects.delete(self._connection, keylist_versions.object_version_list, headers)

    def list_objects(
        self,
        prefix: str = "",
        delimiter: str = "",
        marker: str = "",
        max_keys: int = 100,
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectsResult:
        """List a page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that have it after the prefix into one common prefix each.
            marker: Only names after this.
            max_keys: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "prefix": prefix,
            "delimiter": delimiter,
            "marker": marker,
            "max-keys": max_keys,
            "encoding-type": "url",
        }
        answer = self._connection.ask_bucket("ListObjects", "GET", params=params, headers=headers)
        return _listings.list_objects(answer, query_of(params))

    def list_objects_v2(
        self,
        prefix: str = "",
        delimiter: str = "",
        continuation_token: str = "",
        start_after: str = "",
        fetch_owner: bool = False,
        encoding_type: str = "url",
        max_keys: int = 100,
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectsV2Result:
        """List a page of objects in byte order of their names.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that have it after the prefix into one common prefix each.
            continuation_token: From the page before.
            start_after: Only names after this.
            fetch_owner: Whether entries have owners.
            encoding_type: How names travel: ``url``, or empty for as they are.
            max_keys: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "list-type": "2",
            "prefix": prefix,
            "delimiter": delimiter,
            "continuation-token": continuation_token,
            "start-after": start_after,
            "fetch-owner": str(fetch_owner).lower(),
            "max-keys": max_keys,
            "encoding-type": encoding_type,
        }
        answer = self._connection.ask_bucket("ListObjectsV2", "GET", params=params, headers=headers)
        return _listings.list_objects_v2(answer, query_of(params))

    def list_object_versions(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        max_keys: int = 100,
        versionid_marker: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> ListObjectVersionsResult:
        """List a page of versions and delete markers.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that have it after the prefix into one common prefix each.
            key_marker: Where the page begins: the name.
            max_keys: Most entries, 1 to 1,000.
            versionid_marker: And the version.
            headers: Request headers.
        """
        params = {
            "versions": "",
            "prefix": prefix,
            "delimiter": delimiter,
            "key-marker": key_marker,
            "version-id-marker": versionid_marker,
            "max-keys": max_keys,
            "encoding-type": "url",
        }
        answer = self._connection.ask_bucket(
            "ListObjectVersions", "GET", params=params, headers=headers
        )
        return _listings.list_versions(answer, query_of(params))

    def init_multipart_upload(
        self,
        key: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,  # noqa: ARG002  oss2 passes none of them on
        upload_context: MultipartUploadCryptoContext | None = None,
    ) -> InitMultipartUploadResult:
        """Begin an upload in parts.

        Args:
            key: The object's name.
            headers: Of the object, as in `put_object`.
            params: Without effect, as in oss2.
            upload_context: With ``data_size``, and ``part_size`` or None for a fitting one, which
                is put in; so is ``content_crypto_material``.

        Raises:
            ClientError: No context, no data size, or parts that cannot be.
        """
        return _multipart.begin(self.access, key, headers, upload_context)

    def upload_part(
        self,
        key: str,
        upload_id: str,
        part_number: int,
        data: Any,
        progress_callback: ProgressCallback | None = None,
        headers: Mapping[str, str] | None = None,
        upload_context: MultipartUploadCryptoContext | None = None,
    ) -> PutObjectResult:
        """Encrypt and store one part, in any order and from any thread.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            part_number: The part's place, from 1.
            data: Exactly ``part_size`` bytes, in the last part the rest; as in `put_object`.
            progress_callback: Called with (0, size) and (size, size).
            headers: Request headers. ``Content-MD5`` is of the plaintext and checked.
            upload_context: From `init_multipart_upload`, in this process; not needed where this
                bucket began it.

        Raises:
            ClientError: No such part, another length, or it was sent before with another content:
                one keystream must not encrypt two. The same may come again; if it arrived, it is
                not sent. Or the upload was begun in another process.
            InconsistentError: The context is of another upload or another kind of key.
            NoSuchUpload: The service does not know the upload.
        """
        return _multipart.upload_part(
            self.access,
            key,
            upload_id,
            part_number,
            data,
            progress_callback,
            headers,
            upload_context,
        )

    def complete_multipart_upload(
        self,
        key: str,
        upload_id: str,
        parts: Iterable[PartInfo] | None,
        headers: Mapping[str, str] | None = None,
    ) -> PutObjectResult:
        """Make the object of its parts.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            parts: Number and ETag of each; their CRC is checked where size and CRC are given. None
                with the header ``x-oss-complete-all: yes`` takes what is there.
            headers: Request headers.

        Raises:
            InconsistentError: The object is not what was sent.
            NoSuchUpload: The service does not know the upload.
        """
        return _multipart.complete(self.access, key, upload_id, parts, headers)

    def abort_multipart_upload(
        self, key: str, upload_id: str, headers: Mapping[str, str] | None = None
    ) -> RequestResult:
        """Give an upload up and free its parts.

        Raises:
            NoSuchUpload: The service does not know it.
        """
        params = {"uploadId": upload_id}
        try:
            return RequestResult(
                self._connection.ask_object(
                    "AbortMultipartUpload", "DELETE", key, headers=headers, params=params
                )
            )
        finally:
            self._uploads.forget(upload_id)

    def list_parts(
        self,
        key: str,
        upload_id: str,
        marker: str = "",
        max_parts: int = 1000,
        headers: Mapping[str, str] | None = None,
    ) -> ListPartsResult:
        """List a page of the parts that arrived.

        Args:
            key: The object's name.
            upload_id: From `init_multipart_upload`.
            marker: Only parts after this number.
            max_parts: Most entries, 1 to 1,000.
            headers: Request headers.

        Raises:
            NoSuchUpload: The service does not know the upload.
        """
        return _multipart.list_parts(self._connection, key, upload_id, marker, max_parts, headers)

    def list_multipart_uploads(
        self,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        max_uploads: int = 1000,
        headers: Mapping[str, str] | None = None,
    ) -> ListMultipartUploadsResult:
        """List a page of unfinished uploads, by name and then start.

        Args:
            prefix: Only names that begin with this.
            delimiter: Fold names that have it after the prefix into one common prefix each.
            key_marker: Where the page begins: the name.
            upload_id_marker: And the upload.
            max_uploads: Most entries, 1 to 1,000.
            headers: Request headers.
        """
        params = {
            "uploads": "",
            "prefix": prefix,
            "delimiter": delimiter,
            "key-marker": key_marker,
            "upload-id-marker": upload_id_marker,
            "max-uploads": max_uploads,
            "encoding-type": "url",
        }
        answer = self._connection.ask_bucket(
            "ListMultipartUploads", "GET", params=params, headers=headers
        )
        return _listings.list_uploads(answer, query_of(params))

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
        if additional_headers:
            raise ClientError("additional_headers are not offered: sign without them")
        return _signed_urls.sign(
            self._connection,
            method,
            key,
            expires,
            headers,
            params,
            strict=self.is_verify_object_strict,
            slash_safe=slash_safe,
        )

    def put_object_acl(
        self,
        key: str,
        permission: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Set an object's ACL: one of the ``OBJECT_ACL_`` constants."""
        headers = {**(headers or {}), OSS_OBJECT_ACL: permission}
        return RequestResult(
            self._connection.ask_object(
                "PutObjectAcl", "PUT", key, headers=headers, params=params, subresource="acl"
            )
        )

    def get_object_acl(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetObjectAclResult:
        """Return an object's ACL."""
        answer = self._connection.ask_object(
            "GetObjectAcl", "GET", key, headers=headers, params=params, subresource="acl"
        )
        return _xml.acl(answer)

    def put_object_tagging(
        self,
        key: str,
        tagging: Tagging | str | bytes,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Set an object's tags, given as `Tagging` or as the XML of the request."""
        return RequestResult(
            self._connection.ask_object(
                "PutObjectTagging",
                "PUT",
                key,
                headers=headers,
                params=params,
                body=_xml.tagging_request(tagging),
                subresource="tagging",
            )
        )

    def get_object_tagging(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetTaggingResult:
        """Return an object's tags."""
        answer = self._connection.ask_object(
            "GetObjectTagging", "GET", key, headers=headers, params=params, subresource="tagging"
        )
        return _xml.tagging(answer)

    def delete_object_tagging(
        self,
        key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestResult:
        """Remove an object's tags."""
        return RequestResult(
            self._connection.ask_object(
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
        headers = {**(headers or {}), OSS_SYMLINK_TARGET: quote(target_key, "")}
        return RequestResult(
            self._connection.ask_object(
                "PutSymlink", "PUT", symlink_key, headers=headers, subresource="symlink"
            )
        )

    def get_symlink(
        self,
        symlink_key: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> GetSymlinkResult:
        """Return where a symlink leads."""
        answer = self._connection.ask_object(
            "GetSymlink", "GET", symlink_key, headers=headers, params=params, subresource="symlink"
        )
        return GetSymlinkResult(answer)

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
            input: For how long and how fast, or the XML of the request; None for one day.
        """
        return RequestResult(
            self._connection.ask_object(
                "RestoreObject",
                "POST",
                key,
                headers=headers,
                params=params,
                body=_xml.restore_request(input or b""),
                subresource="restore",
            )
        )

    # What cannot be done with ciphertext: it would leave plaintext, or garbage.

    def put_object_with_url(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a presigned PUT does not cover the envelope's headers."""
        raise _refusal("use put_object()")

    def put_object_with_url_from_file(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `put_object_with_url`."""
        raise _refusal("use put_object_from_file()")

    def append_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: what is appended would need another place in the keystream than it gets."""
        raise _refusal("put the object anew")

    def upload_part_copy(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a part of another object is encrypted under another data key."""
        raise _refusal("use copy_object(), or upload_part() with what was read")

    def select_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the service sees ciphertext."""
        raise _refusal("read the object and select from it")

    select_object_to_file = create_select_object_meta = select_object

    def process_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the service sees ciphertext."""
        raise _refusal("read the object and process it")

    async_process_object = process_object

    __reduce__ = OssAccess.__reduce__

    def __getattr__(self, name: str) -> NoReturn:
        """Say what to use for what is not here."""
        if not name.startswith("_"):
            raise AttributeError(
                f"CryptoBucket has no {name!r} here: for what is not about encrypted objects"
                f" {_ELSEWHERE}",
                name=name,
                obj=self,
            )
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
        )

    def __repr__(self) -> str:
        """Show no credentials."""
        return f"<{type(self).__name__} {self.bucket_name!r} at {self.endpoint!r}>"


def _check_auth(auth: object) -> None:
    if not isinstance(auth, AuthBase):
        raise ClientError("auth must be one of cipherbucket.oss2's: Auth, ProviderAuth ...")


def _refusal(instead: str) -> ClientError:
    return ClientError(f"this cannot be done with encrypted objects: {instead}")


def __getattr__(name: str) -> NoReturn:
    if name in {"Bucket", "Service"}:
        raise AttributeError(
            f"oss2.{name} is not offered: this is for encrypted objects, with CryptoBucket; for"
            f" plaintext and for buckets themselves {_ELSEWHERE}",
            name=name,
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
