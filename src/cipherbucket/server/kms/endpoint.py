"""Starting and stopping the KMS endpoint: in tests, in programs, from the command line.

Rule: that of every local endpoint; see `cipherbucket.server.local_endpoint`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cipherbucket.errors import UsageError
from cipherbucket.server.faults import KMS_KINDS, FaultPlan, Faults
from cipherbucket.server.identity import DEFAULT_ACCESS_KEY_ID, identity
from cipherbucket.server.kms.actions import ACCOUNT
from cipherbucket.server.kms.app import KmsApp
from cipherbucket.server.kms.certificate import certificate_in
from cipherbucket.server.kms.errors import KmsApiError
from cipherbucket.server.kms.key_database import ALIAS, Vault
from cipherbucket.server.listening import Certificate, Listener
from cipherbucket.server.local_endpoint import LocalEndpoint
from cipherbucket.server.service import Clock, system_clock

REGION = "cn-hangzhou"


class KmsEndpoint(LocalEndpoint):
    """A local KMS endpoint.

    >>> with KmsEndpoint(aliases=["alias/example"]) as kms:
    ...     kms.url.startswith("http://127.0.0.1:")
    True

    Args:
        keys: A file that keeps the keys, made if it is not there; None: memory, gone at the end.
        host: Address to bind to.
        port: 0 for a free one.
        aliases: Each gets a key at the start if it has none.
        tls: To speak https, a folder with a certificate, made if there is none; None: http.
        region: Part of the names of keys; SDKs choose their endpoint by it.
        access_key_id: The one identity.
        access_key_secret: None: a random one.
        security_token: What requests must bring as STS token; None: any, or none.
        faults: A plan as `FaultPlan.parse` reads it, of the faults in `KMS_KINDS`.
        clock: Tells the time.

    Raises:
        UsageError: Something of this cannot be.
        StoreError: The address cannot be bound to.
    """

    def __init__(
        self,
        *,
        keys: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        aliases: Sequence[str] = (),
        tls: str | os.PathLike[str] | None = None,
        region: str = REGION,
        access_key_id: str = DEFAULT_ACCESS_KEY_ID,
        access_key_secret: str | None = None,
        security_token: str | None = None,
        faults: str = "",
        clock: Clock = system_clock,
    ) -> None:
        self._plan = FaultPlan.parse(faults, KMS_KINDS)
        self._keys = None if keys is None else Path(keys)
        self._aliases = tuple(aliases)
        self._clock = clock
        self._vault: Vault | None = None
        self.region = region
        for alias in self._aliases:
            if not alias.startswith(ALIAS) or alias == ALIAS:
                raise UsageError(f"{alias!r} is no alias", hint=f"it begins with {ALIAS}")
        files = None if tls is None else certificate_in(Path(tls), host)
        self._certificate: Certificate | None = files
        super().__init__(
            Listener(host, port, files), identity(access_key_id, access_key_secret, security_token)
        )

    @property
    def address(self) -> str:
        """``host:port``, which SDKs take as their endpoint."""
        return self._listener.address

    @property
    def certificate(self) -> Path | None:
        """The file by which clients know it, None where it speaks http."""
        return self._certificate.certificate if self._certificate else None

    def key_id(self, name: str) -> str:
        """Return the id of a key by its alias or ARN, while it runs.

        Raises:
            UsageError: There is none.
        """
        try:
            return self._running.find(name).id
        except KmsApiError as error:
            raise UsageError(f"{name}: {error.message}") from error

    def _open(self) -> None:
        vault = self._vault = Vault(self._keys, f"acs:kms:{self.region}:{ACCOUNT}:")
        there = {name for name, _ in vault.aliases()[0]}
        for alias in dict.fromkeys(self._aliases):
            if alias not in there:
                vault.create_alias(alias, vault.create_key())
        faults = Faults(self._plan, KMS_KINDS)
        self._listener.serve(KmsApp(vault, self._credentials, faults, self._clock))

    def _close(self) -> None:
        if self._vault is not None:
            self._vault.close()
            self._vault = None

    @property
    def _running(self) -> Vault:
        if self._vault is None:
            raise UsageError("the KMS endpoint does not run")
        return self._vault

    def describe(self, *, with_secret: bool) -> str:
        """Say where it is, which keys it has, and how to point the SDKs at it."""
        vault = self._running
        named = {key_id: name for name, key_id in vault.aliases()[0]}
        keys = [f"{key.id}  {named.get(key.id, '')}".rstrip() for key in vault.keys()[0]]
        text = _DESCRIPTION.format(
            **self._summary("file", self._keys, with_secret=with_secret),
            keys="\n            ".join(keys) or "none yet; CreateKey makes them",
            address=self.address,
            region=self.region,
        )
        file = self.certificate
        if file is None:
            return text + _HTTP
        return text + _HTTPS.format(file=file.absolute())


_DESCRIPTION = """\
KMS endpoint at {url}
  keys in   {where}
  key id    {key_id}
  secret    {secret}
  CMKs      {keys}

cipherbucket, cipherbucket.oss2
  export KMS_ENDPOINT={url}
Python, oss2 and aliyun-python-sdk-kms
  aliyunsdkcore.profile.region_provider.modify_point("Kms", "{region}", "{address}")
Python, alibabacloud_kms20160120
  config.endpoint = "{address}"
Go, alibaba-cloud-sdk-go
  kmsClient.Domain = "{address}"
Java, aliyun-java-sdk-core and KmsEncryptionMaterials
  DefaultProfile.addEndpoint("{region}", "Kms", "{address}");
"""
_HTTP = """\
It speaks http; oss2, the Go and Java SDKs for OSS speak https alone, for which there is --kms-tls.
"""
_HTTPS = """\
Trust its certificate
  cipherbucket                             cb.KmsSettings(ca_file="{file}")
  cipherbucket.oss2                        export ALIBABA_CLOUD_CA_BUNDLE={file}
  Python, oss2 and aliyun-python-sdk-kms   export ALIBABA_CLOUD_CA_BUNDLE={file}
  Python, alibabacloud_kms20160120         config.ca = "{file}"
  Go                                       export SSL_CERT_FILE={file}
  Java                                     keytool -importcert -noprompt -alias kms \\
    -file {file} -keystore trust.p12 -storepass changeit
    java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit ...
"""
