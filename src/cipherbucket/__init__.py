"""Client-side encryption for objects in object storage.

Each object gets a random data key of its own; a master key that never leaves you wraps the data
key; the store sees ciphertext only. The objects are those of the Alibaba Cloud OSS SDKs, byte for
byte: Java, Go, C++, PHP and Python programs read them and are read.

    >>> import cipherbucket as cb
    >>> key = cb.create_rsa_key_file("cmk.pem", description={"desc": "2026"})
    >>> bucket = cb.open_bucket("file:///data/store", key)
    >>> bucket.put("exampleobject.txt", b"Hello OSS!")
    >>> bucket.get("exampleobject.txt").read()
    b'Hello OSS!'

`Bucket` has what is done with one object, and listings. What concerns keys or many objects are
functions over a bucket: `rotation` (other keys for stored objects), `audit.run` (what is encrypted
with which key), `verify` and `verify_all` (read and compare), `copy_all` (to another store),
`recipients` (who can open a sealed object).
"""

import typing
from importlib import import_module

from cipherbucket._version import __version__
from cipherbucket.bucket import Bucket
from cipherbucket.credentials import Credentials
from cipherbucket.envelopes.access import Guard
from cipherbucket.envelopes.policy import Policy
from cipherbucket.errors import (
    BindingError,
    CipherbucketError,
    CipherbucketWarning,
    EnvelopeError,
    IntegrityError,
    KmsError,
    MasterKeyError,
    MissingExtraError,
    NoMatchingKeyError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectNotFoundError,
    PolicyError,
    PreconditionFailedError,
    RangeError,
    SecurityError,
    SourceError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
    UsageError,
    WorkerLostError,
    WrongKeyError,
)
from cipherbucket.format.crc64 import Crc
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import Footer, Seal
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.span import Span
from cipherbucket.keys.aes import AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.files import create_aes_key_file, create_rsa_key_file, load_key
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import RsaKey
from cipherbucket.objects.split import NameRange
from cipherbucket.opening import open_bucket, open_sealed_file, open_url
from cipherbucket.reading.file import ObjectFile
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.stream import ObjectStream
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.memory import MemoryStore
from cipherbucket.stores.oss.settings import OssSettings
from cipherbucket.stores.records import Entry, Part, StoredBucket, Upload, Version
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.urls import list_buckets, make_bucket, open_store, split_url
from cipherbucket.writing.file import ObjectTextWriter, ObjectWriter
from cipherbucket.writing.multipart import Multipart

if typing.TYPE_CHECKING:
    from cipherbucket import audit, recipients, rotation
    from cipherbucket.aio import AsyncBucket as AsyncBucket
    from cipherbucket.audit.audited_object import AuditedObject
    from cipherbucket.audit.result import Audit
    from cipherbucket.audit.retirement import Retirement
    from cipherbucket.bulk.copying import CopyReport, copy_all
    from cipherbucket.bulk.report import ObjectOutcome, Tally
    from cipherbucket.bulk.verification import (
        Verification,
        verify,
        verify_all,
    )
    from cipherbucket.config.config import Config, load_config
    from cipherbucket.config.finding import (
        find_config,
        find_key_name,
    )
    from cipherbucket.config.keys import KeyEntry
    from cipherbucket.config.rules import Rule
    from cipherbucket.config.stores import StoreEntry
    from cipherbucket.inventory.inventory import (
        Inventory,
        read_inventory,
    )
    from cipherbucket.keys.kms.key import AliKmsKey
    from cipherbucket.keys.kms.settings import KmsSettings
    from cipherbucket.keys.trial import KeyTrial, try_key
    from cipherbucket.reference import (
        BucketReference,
        KeyReference,
    )
    from cipherbucket.rotation.report import RotationReport
    from cipherbucket.stores.local.repair import (
        RepairReport,
        repair_index,
    )
    from cipherbucket.transfers.abandoned import Abandoned, abandoned

_LATER = {
    "Abandoned": "transfers.abandoned",
    "AliKmsKey": "keys.kms.key",
    "AsyncBucket": "aio",
    "Audit": "audit.result",
    "AuditedObject": "audit.audited_object",
    "BucketReference": "reference",
    "Config": "config.config",
    "CopyReport": "bulk.copying",
    "Inventory": "inventory.inventory",
    "KeyEntry": "config.keys",
    "KeyReference": "reference",
    "KeyTrial": "keys.trial",
    "KmsSettings": "keys.kms.settings",
    "ObjectOutcome": "bulk.report",
    "RepairReport": "stores.local.repair",
    "Retirement": "audit.retirement",
    "RotationReport": "rotation.report",
    "Rule": "config.rules",
    "StoreEntry": "config.stores",
    "Tally": "bulk.report",
    "Verification": "bulk.verification",
    "abandoned": "transfers.abandoned",
    "copy_all": "bulk.copying",
    "find_config": "config.finding",
    "find_key_name": "config.finding",
    "load_config": "config.config",
    "read_inventory": "inventory.inventory",
    "repair_index": "stores.local.repair",
    "try_key": "keys.trial",
    "verify": "bulk.verification",
    "verify_all": "bulk.verification",
}
"""What is not needed to read and write objects, and in which modules it is."""
_PACKAGES = {"audit", "recipients", "rotation"}

if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is in `_LATER`, and these packages, when it is first asked for.

        `AsyncBucket` is not in ``__all__``, since it needs the extra ``async``.
        """
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Abandoned",
    "AesKey",
    "AliKmsKey",
    "Audit",
    "AuditedObject",
    "BindingError",
    "Bucket",
    "BucketReference",
    "CipherbucketError",
    "CipherbucketWarning",
    "Config",
    "CopyReport",
    "Crc",
    "Credentials",
    "Description",
    "Entry",
    "Envelope",
    "EnvelopeError",
    "Footer",
    "Guard",
    "IntegrityError",
    "Inventory",
    "KeyEntry",
    "KeyReference",
    "KeyRing",
    "KeyTrial",
    "KmsError",
    "KmsSettings",
    "LocalStore",
    "MasterKey",
    "MasterKeyError",
    "MemoryStore",
    "MissingExtraError",
    "Multipart",
    "NameRange",
    "NoMatchingKeyError",
    "ObjectChangedError",
    "ObjectExistsError",
    "ObjectFile",
    "ObjectInfo",
    "ObjectNotFoundError",
    "ObjectOutcome",
    "ObjectStream",
    "ObjectTextWriter",
    "ObjectWriter",
    "OssSettings",
    "Part",
    "Policy",
    "PolicyError",
    "PreconditionFailedError",
    "RangeError",
    "Recipient",
    "RepairReport",
    "Retirement",
    "RotationReport",
    "RsaKey",
    "Rule",
    "S3Settings",
    "Seal",
    "SecurityError",
    "SourceError",
    "Span",
    "StoreEntry",
    "StoreError",
    "StoredBucket",
    "Tally",
    "TransientStoreError",
    "Upload",
    "UploadNotFoundError",
    "UsageError",
    "Verification",
    "Version",
    "WorkerLostError",
    "WrongKeyError",
    "__version__",
    "abandoned",
    "audit",
    "copy_all",
    "create_aes_key_file",
    "create_rsa_key_file",
    "find_config",
    "find_key_name",
    "list_buckets",
    "load_config",
    "load_key",
    "make_bucket",
    "open_bucket",
    "open_sealed_file",
    "open_store",
    "open_url",
    "read_inventory",
    "recipients",
    "repair_index",
    "rotation",
    "split_url",
    "try_key",
    "verify",
    "verify_all",
]
