"""Starting and stopping the endpoint: in tests, in programs, from the command line.

Rule: that of every local endpoint; see `cipherbucket.server.local_endpoint`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.server.errors import OssError
from cipherbucket.server.faults import FaultPlan, Faults
from cipherbucket.server.http_api.app import OssApp
from cipherbucket.server.identity import DEFAULT_ACCESS_KEY_ID, identity
from cipherbucket.server.kms.endpoint import KmsEndpoint
from cipherbucket.server.listening import Listener
from cipherbucket.server.local_endpoint import LocalEndpoint
from cipherbucket.server.operations.buckets import check_bucket_name
from cipherbucket.server.service import Service, Settings

_THREADS = 64


class Endpoint(LocalEndpoint):
    """A local OSS endpoint.

    >>> with Endpoint(buckets=["examplebucket"]) as endpoint:
    ...     endpoint.url.startswith("http://127.0.0.1:")
    True

    Args:
        data: A folder that keeps everything; None: memory, gone at the end.
        host: Address to bind to.
        port: 0 for a free one.
        buckets: Made at the start if they are not there.
        access_key_id: The one identity.
        access_key_secret: None: a random one.
        security_token: What requests must bring as STS token; None: any, or none.
        faults: A plan as `FaultPlan.parse` reads it.
        md5_etags: ETags of the MD5, as OSS makes them.
        settings: Instead of the identity, ``md5_etags`` and their like: all settings at once.

    Raises:
        UsageError: Something of this cannot be.
        StoreError: The address cannot be bound to.
    """

    def __init__(
        self,
        *,
        data: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        buckets: Sequence[str] = (),
        access_key_id: str = DEFAULT_ACCESS_KEY_ID,
        access_key_secret: str | None = None,
        security_token: str | None = None,
        faults: str = "",
        md5_etags: bool = False,
        settings: Settings | None = None,
    ) -> None:
        if settings is None:
            credentials = identity(access_key_id, access_key_secret, security_token)
            settings = Settings(credentials=credentials, md5_etags=md5_etags)
        super().__init__(Listener(host, port), settings.credentials)
        self._settings = settings
        self._plan = FaultPlan.parse(faults)
        self._data = None if data is None else Path(data)
        self._buckets = list(buckets)
        self._service: Service | None = None
        self._workers: ThreadPoolExecutor | None = None
        for name in self._buckets:
            try:
                check_bucket_name(name)
            except OssError as error:
                raise UsageError(f"bucket {name!r}: {error.message}") from error

    @property
    def region(self) -> str:
        """The region that buckets name; any may be signed for."""
        return self._settings.region

    def _open(self) -> None:
        service = self._service = Service(self._settings, self._data)
        for name in self._buckets:
            service.create_bucket(name)
        self._workers = ThreadPoolExecutor(_THREADS, "cipherbucket-worker")
        self._listener.serve(OssApp(service, Faults(self._plan), self._workers))

    def _close(self) -> None:
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None
        if self._service is not None:
            self._service.close()
            self._service = None

    def wait(self) -> None:
        """Return when it has stopped, or raise what a signal's handler raises before."""
        self._listener.wait()

    def describe(self, *, with_secret: bool) -> str:
        """Say where it is and how to point the SDKs at it."""
        text = _DESCRIPTION + (_SDKS_AT_IPV6 if "[" in self.url else _SDKS)
        return text.format(
            **self._summary("folder", self._data, with_secret=with_secret),
            exported=self.access_key_secret if with_secret else "...",
            bucket=self._buckets[0] if self._buckets else "examplebucket",
            region=self.region,
        )


_DESCRIPTION = """\
OSS endpoint at {url}
  data      {where}
  key id    {key_id}
  secret    {secret}

cipherbucket, ossutil
  export OSS_ENDPOINT={url} OSS_REGION={region}
  export OSS_ACCESS_KEY_ID={key_id} OSS_ACCESS_KEY_SECRET={exported}
"""
_SDKS = """\
Python, oss2
  oss2.Bucket(oss2.AuthV4(key_id, secret), "{url}", "{bucket}", region="{region}")
Python, alibabacloud_oss_v2
  config.endpoint, config.region = "{url}", "{region}"
Go, aliyun-oss-go-sdk
  oss.New("{url}", keyID, secret)
Go, alibabacloud-oss-go-sdk-v2
  oss.LoadDefaultConfig().WithEndpoint("{url}").WithRegion("{region}").WithUsePathStyle(true)
Java, aliyun-oss-java-sdk
  new OSSClientBuilder().build("{url}", keyId, secret)
C++, aliyun-oss-cpp-sdk
  OssClient client("{url}", keyId, secret, conf);
"""


_SDKS_AT_IPV6 = """\
Python, cipherbucket.oss2; oss2 takes no IPv6 address
  oss2.CryptoBucket(oss2.AuthV4(key_id, secret), "{url}", "{bucket}", provider, region="{region}")
Python, alibabacloud_oss_v2
  config.endpoint, config.region, config.use_path_style = "{url}", "{region}", True
Go, aliyun-oss-go-sdk
  oss.New("{url}", keyID, secret)
Go, alibabacloud-oss-go-sdk-v2
  oss.LoadDefaultConfig().WithEndpoint("{url}").WithRegion("{region}").WithUsePathStyle(true)
"""
"""Those that are known to take an IPv6 address."""


def serve_forever(
    endpoint: Endpoint,
    *,
    kms: KmsEndpoint | None = None,
    with_secret: bool,
    report: Callable[[str], None],
) -> None:
    """Serve until interrupted; ``report`` first gets where, and how to point the SDKs at it."""
    # The folder that both may keep their files in is made by the first.
    with endpoint, kms or contextlib.nullcontext(), contextlib.suppress(KeyboardInterrupt):
        report(endpoint.describe(with_secret=with_secret))
        if kms is not None:
            report(kms.describe(with_secret=with_secret))
        endpoint.wait()
