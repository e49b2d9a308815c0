"""One object inspected: what its metadata say of format, key and length, and whether that is so.

Rule: one HEAD, and nothing of the body but the footer where that is asked for. An envelope is
opened only with a key of the ring that has the very label the object names and that is in this
process; a KMS is asked only where that is wanted. What is opened is forgotten at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from cipherbucket.audit.audited_object import GONE, AuditedObject, AuditedRecipient
from cipherbucket.audit.findings import FINDINGS, UNREADABLE
from cipherbucket.audit.key_labels import kms_id_of, label_of, shortened
from cipherbucket.audit.kms_lookup import KmsLookup
from cipherbucket.bulk.outcomes import Outcome
from cipherbucket.envelopes.policy import PLAINTEXT, Policy
from cipherbucket.envelopes.unseal import unseal
from cipherbucket.errors import (
    BindingError,
    CipherbucketError,
    EnvelopeError,
    IntegrityError,
    ObjectNotFoundError,
    SecurityError,
    WrongKeyError,
)
from cipherbucket.format.ctr import Ctr
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import Footer
from cipherbucket.format.metadata_names import FORMATS, OSS, OSS_V1
from cipherbucket.format.recipient_fields import Recipient
from cipherbucket.format.sealed import Binding, wrap_context
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, spelling
from cipherbucket.reading.info import ObjectInfo
from cipherbucket.reading.unlock import fetch_footer, fetch_from
from cipherbucket.stores.base import Store
from cipherbucket.stores.records import Entry, StoredObject, Version

_RSA_BITS = 2048
_ORDER = list(FINDINGS)


@dataclass(frozen=True)
class Inspector:
    """Looks at objects, one HEAD each. May be used by several threads.

    Attributes:
        store: Where they are.
        ring: The keys given; none at all is allowed.
        footers: Whether the footers of sealed objects are read.
        kms: Asks a KMS for the keys of KMS envelopes; None for not at all.
    """

    store: Store
    ring: KeyRing
    footers: bool = False
    kms: KmsLookup | None = None

    def inspect(self, entry: Entry | Version) -> Outcome:
        """Look at one object of a listing.

        Raises:
            StoreError: The store failed.
        """
        listed = entry.version_id if isinstance(entry, Version) else None
        try:
            stored = self.store.head(entry.name, version_id=listed)
        except ObjectNotFoundError:
            return AuditedObject(entry.name, GONE, entry.size, listed).outcome(listed)
        found = self._inspected(stored)
        if not stored.modified.timestamp():  # no time that could be read; the listing has one
            found = replace(found, modified=entry.modified)
        found = replace(found, findings=tuple(sorted(set(found.findings), key=_ORDER.index)))
        return found.outcome(listed)

    def _inspected(self, stored: StoredObject) -> AuditedObject:
        found = AuditedObject(
            stored.name, UNREADABLE, stored.size, stored.version_id, modified=stored.modified
        )
        try:
            info = ObjectInfo.of(stored)
        except SecurityError as error:
            return replace(found, findings=(UNREADABLE,), reason=shortened(error.message))
        found = replace(found, format=info.format, size=info.size)
        if info.envelope is None:
            stripped = self.footers and self._ends_as_sealed(stored)
            return replace(found, findings=("stripped" if stripped else PLAINTEXT,))
        found = replace(found, recipients=tuple(map(self._recipient, info.envelope.recipients)))
        found = _with_envelope_findings(found, info, with_keys=bool(self.ring.keys))
        found = self._opened(found, info.envelope)
        if self.kms is not None:
            found = self._with_kms_keys(found, info.envelope, self.kms)
        return self._with_footer(found, stored, info.envelope) if self.footers else found

    def _recipient(self, recipient: Recipient) -> AuditedRecipient:
        label = label_of(recipient)
        bits = 8 * len(recipient.wrapped_key) if label.kind == "rsa" else None
        key = self._key_of(recipient)
        return AuditedRecipient(
            label, shortened(recipient.algorithm), bits, key.id if key is not None else None
        )

    def _key_of(self, recipient: Recipient) -> MasterKey | None:
        """Find the key of the ring that a recipient names; keys are not fetched."""
        try:
            description = recipient.description
        except EnvelopeError:
            return None
        for key in self.ring.keys:
            if description == Description(key.description) and spelling(key, recipient.algorithm):
                return key
        return None

    def _opened(self, found: AuditedObject, envelope: Envelope) -> AuditedObject:
        """Open the envelope with keys of this process, where the ring has one that it names."""
        keys = [key for each in envelope.recipients if (key := self._key_of(each)) is not None]
        usable = {
            key.id: key
            for key in keys
            if getattr(key, "can_unwrap", True) and not getattr(key, "remote", False)
        }
        if not usable or (envelope.seal is not None and envelope.seal.binds_context):
            return found
        policy = Policy(FORMATS, min_rsa_bits=1, unbound_names=True)
        try:
            ring = KeyRing(*usable.values())
            cipher = unseal(envelope, ring, policy, binding=Binding(found.name))
        except WrongKeyError as error:
            return _with_error(found, "wrong-key", error)
        except BindingError as error:  # found out only where the metadata are authentic
            return replace(_with_error(found, "moved", error), verified=True)
        except IntegrityError as error:
            return _with_error(found, "altered", error)
        except CipherbucketError:  # a policy, or a key that cannot do it: nothing is known
            return found
        if isinstance(cipher, Ctr) and envelope.format == OSS:
            found = replace(found, iv=cipher.iv_kind)
        return replace(found, verified=True)

    def _with_kms_keys(
        self, found: AuditedObject, envelope: Envelope, kms: KmsLookup
    ) -> AuditedObject:
        """Let the KMS say which of its keys wrapped the data key."""
        context = wrap_context(envelope.seal.object_id) if envelope.seal is not None else b""
        recipients = list(found.recipients)
        for number, recipient in enumerate(envelope.recipients):
            audited = recipients[number]
            if audited.label.kind != "kms":
                continue
            answer = kms.ask(recipient, self._key_of(recipient), context)
            if answer.finding:
                findings = (*found.findings, answer.finding)
                found = replace(found, findings=findings, reason=answer.reason)
                continue
            recipients[number] = replace(audited, kms_id=answer.key_id)
            named = _kms_id(recipient)
            if named is not None and named != kms_id_of(answer.key_id):
                found = replace(found, findings=(*found.findings, "kms"))
        return replace(found, recipients=tuple(recipients))

    def _with_footer(
        self, found: AuditedObject, stored: StoredObject, envelope: Envelope
    ) -> AuditedObject:
        if envelope.seal is None:
            return found
        fetch = fetch_from(self.store, stored.name, stored.etag, stored.version_id)
        try:
            data = fetch_footer(stored, fetch)
            footer = Footer.parse(data)
        except SecurityError as error:
            return _with_error(found, "footer", error, verified=found.verified)
        if hashlib.sha256(data).digest() != envelope.seal.footer_hash:
            findings = (*found.findings, "footer")
            return replace(found, findings=findings, reason="the footer is another object's")
        current = {each.label for each in found.recipients}
        first = map(self._recipient, footer.recipients)
        removed = tuple(each for each in first if each.label not in current)
        findings = (*found.findings, "removed") if removed else found.findings
        return replace(found, removed=removed, findings=findings)

    def _ends_as_sealed(self, stored: StoredObject) -> bool:
        try:
            fetch = fetch_from(self.store, stored.name, stored.etag, stored.version_id)
            Footer.parse(fetch_footer(stored, fetch))
        except SecurityError:
            return False
        return True


def _with_envelope_findings(
    found: AuditedObject, info: ObjectInfo, *, with_keys: bool
) -> AuditedObject:
    """Add what can be found without any key."""
    findings: list[str] = []
    reason = ""
    if found.format == OSS_V1:
        findings.append("v1")
    for each in found.recipients:
        if not each.label.is_certain:
            findings.append("undescribed")
        if each.bits is not None and each.bits < _RSA_BITS:
            findings.append("weak-rsa")
    # One given key is enough to read a sealed object; the others may be a partner's.
    if with_keys and not any(each.key_id is not None for each in found.recipients):
        findings.append("unknown-key")
    try:
        info.check_lengths()
    except IntegrityError as error:
        findings.append("length")
        reason = error.message
    return replace(found, findings=tuple(findings), reason=reason)


def _with_error(
    found: AuditedObject, finding: str, error: CipherbucketError, *, verified: bool | None = False
) -> AuditedObject:
    findings = (*found.findings, finding)
    return replace(found, findings=findings, reason=shortened(error.message), verified=verified)


def _kms_id(recipient: Recipient) -> str | None:
    """Return the KMS key id that a description of ours names; None for aliases and others."""
    try:
        named = recipient.description.get("kms")
    except EnvelopeError:
        return None
    return kms_id_of(named) if named is not None else None
