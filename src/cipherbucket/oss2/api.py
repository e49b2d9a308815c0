"""`CryptoBucket`: oss2's encrypting bucket, over this library's own."""

from __future__ import annotations

from typing import NoReturn

from cipherbucket.oss2._listing import Listing
from cipherbucket.oss2._multipart import Parts
from cipherbucket.oss2._objects import Writing
from cipherbucket.oss2._reading import Reading
from cipherbucket.oss2._refused import Refused
from cipherbucket.oss2._subresources import Subresources

_ELSEWHERE = "use oss2 itself, alibabacloud-oss-v2 or the console"


class CryptoBucket(Reading, Writing, Parts, Listing, Subresources, Refused):
    """Encrypted objects in an OSS bucket, under oss2's names.

    >>> from cipherbucket import oss2
    >>> from cipherbucket.oss2.crypto import RsaProvider
    >>> auth = oss2.Auth("access-key-id", "access-key-secret")
    >>> keys = {"public_key": public_pem, "private_key": private_pem}     # doctest: +SKIP
    >>> bucket = oss2.CryptoBucket(auth, "https://oss-cn-hangzhou.aliyuncs.com", "examplebucket",
    ...                            crypto_provider=RsaProvider(keys))     # doctest: +SKIP
    >>> bucket.put_object("exampleobject.txt", "Hello OSS!").status       # doctest: +SKIP
    200

    All calls may be made from several threads at once.

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
        enable_crc: Whether results tell ``client_crc``. What is sent and read is checked anyway.
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


def __getattr__(name: str) -> NoReturn:
    if name in {"Bucket", "Service"}:
        raise AttributeError(
            f"oss2.{name} is not offered: this is for encrypted objects, with CryptoBucket; for"
            f" plaintext and for buckets themselves {_ELSEWHERE}",
            name=name,
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
