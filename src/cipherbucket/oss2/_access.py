"""What a call that needs keys works with: one frozen value, made of the bucket's attributes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from cipherbucket.bucket import Bucket
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import not_copied
from cipherbucket.oss2._client_errors import hinted
from cipherbucket.oss2._connection import Connection
from cipherbucket.oss2._provider import BaseCryptoProvider
from cipherbucket.stores.records import NOTHING
from cipherbucket.writing.ciphertext import OBJECT_OF_ITS_OWN
from cipherbucket.writing.multipart import Multipart


@dataclass(frozen=True)
class Uploads:
    """The uploads in parts that a bucket began, by upload id."""

    by_id: dict[str, Multipart]
    lock: threading.Lock

    __reduce__ = not_copied("an upload", OBJECT_OF_ITS_OWN, hinted)

    def get(self, upload_id: str) -> Multipart | None:
        """Return an upload, or None."""
        with self.lock:
            return self.by_id.get(upload_id)

    def begun(self, upload: Multipart) -> None:
        """Keep an upload that was begun here."""
        with self.lock:
            self.by_id[upload.upload_id] = upload

    def forget(self, upload_id: str) -> None:
        """Drop an upload that has ended."""
        with self.lock:
            self.by_id.pop(upload_id, None)


@dataclass(frozen=True)
class OssAccess:
    """A bucket's connection, keys and policy at the moment of a call."""

    connection: Connection
    provider: BaseCryptoProvider
    policy: Policy | None
    enable_crc: bool
    uploads: Uploads

    __reduce__ = not_copied("a CryptoBucket", "make a bucket where it is needed", hinted)

    def bucket(
        self, headers: Mapping[str, str] = NOTHING, query: Mapping[str, str] = NOTHING
    ) -> Bucket:
        """Return the bucket as the library's own.

        Args:
            headers: Request headers that its next request brings.
            query: Parameters for the same.
        """
        store = self.connection.store()
        if headers or query:
            store = store.adding(headers, query)
        return Bucket(store, self.provider.ring, policy=self.policy)
