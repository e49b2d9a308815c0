"""Who can open a sealed object and what it is bound to, as facts for programs and in lines.

Rule: what the footer says is the store's word, like the metadata; only a key that opens the object
shows that both are its owner's.
"""

from __future__ import annotations

from typing import Any

import cipherbucket as cb

_ORIGIN_RSA = (
    "anyone who holds the public half of a recipient's key and may write to the store can have made"
    " it; changes since are detected"
)
_ORIGIN_KMS = (
    "whoever {can} and may write to the store can have made it; changes since are detected"
)
_ORIGIN_AES = "only holders of {key} can have made it{if_}; changes since are detected"


def facts_of_recipient(recipient: cb.Recipient) -> dict[str, Any]:
    """Return what is known of a recipient without its key."""
    try:
        description: dict[str, str] | None = dict(recipient.description)
    except cb.EnvelopeError:
        description = None
    return {
        "wrap_algorithm": recipient.algorithm,
        "wrapped_key_bytes": len(recipient.wrapped_key),
        "description": description,
        "description_text": recipient.description_text,
    }


def description_in(facts: dict[str, Any]) -> str:
    """Write a recipient's description for people."""
    if facts["description"] is None:
        return f"damaged: {facts['description_text']}"
    return facts["description_text"] or "none"


def facts_of_sealed(
    bucket: cb.Bucket, info: cb.ObjectInfo, opened: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what is in the seal and the footer, and whether the metadata is authentic.

    Args:
        bucket: Where the footer is fetched.
        info: The object.
        opened: What came of opening it; None if no key was given.
    """
    assert info.envelope is not None
    assert info.envelope.seal is not None
    seal = info.envelope.seal
    facts = {
        "object_id": seal.object_id.hex(),
        "name_bound": seal.binds_name,
        "context_bound": seal.binds_context,
        "sealed_name": None,
        "sealed_recipients": None,
        "footer_error": None,
        "envelope_authentic": _is_authentic(opened),
        "origin": _origin(info.envelope, opened),
    }
    try:
        footer = cb.recipients.footer(bucket, info.name, version_id=info.version_id)
    except cb.SecurityError as error:
        return {**facts, "footer_error": error.message}
    if footer.object_id != seal.object_id:
        return {**facts, "footer_error": "the body is another object's than the metadata"}
    facts["sealed_name"] = footer.name
    if set(map(_identity, footer.recipients)) != set(map(_identity, info.envelope.recipients)):
        facts["sealed_recipients"] = [facts_of_recipient(each) for each in footer.recipients]
    return facts


def lines_of_sealed(facts: dict[str, Any]) -> dict[str, str | None]:
    """Lay the facts of a sealed object out for people."""
    now, once = facts["recipients"], facts["sealed_recipients"]
    return {
        "object id": facts["object_id"],
        "bound to": f"{_bound_name(facts)}; {_bound_context(facts)}",
        **_listed("recipient", now),
        "footer": _footer_line(facts, once),
        **_listed("first recipient", once or []),
        "envelope": _authenticity(facts["envelope_authentic"]),
    }


def _listed(label: str, recipients: list[dict[str, Any]]) -> dict[str, str]:
    several = len(recipients) > 1
    return {
        f"{label} {number}" if several else label: (
            f"{description_in(each)}, {each['wrap_algorithm']},"
            f" wrapped key of {each['wrapped_key_bytes']:,} bytes"
        )
        for number, each in enumerate(recipients, 1)
    }


def _footer_line(facts: dict[str, Any], once: list[dict[str, Any]] | None) -> str | None:
    if facts["footer_error"] is not None:
        return f"damaged: {facts['footer_error']}"
    if once is None:
        return None
    return "names other recipients, those of the day it was sealed"


def _bound_name(facts: dict[str, Any]) -> str:
    if not facts["name_bound"]:
        return "no name: it opens under any"
    if facts["sealed_name"] in {None, facts["name"]}:
        return "its name"
    return f"another name, by its footer {facts['sealed_name']!r}: it was moved"


def _bound_context(facts: dict[str, Any]) -> str:
    return "a context, to be given by --context" if facts["context_bound"] else "no context"


def _authenticity(authentic: bool | None) -> str:
    if authentic is None:
        return "not verified; that takes a key that opens the object"
    return "authentic" if authentic else "ALTERED: the recipients are not those an owner wrote"


def _is_authentic(opened: dict[str, Any] | None) -> bool | None:
    """Return whether the metadata's MAC is right; None if it is not known."""
    if opened is None:
        return None
    if opened["opens"]:
        return True
    error = opened["error"]
    if isinstance(error, cb.IntegrityError):
        return False
    # That it was moved is found out only where the metadata is authentic.
    return True if isinstance(error, cb.BindingError) and error.sealed_name is not None else None


def _origin(envelope: cb.Envelope, opened: dict[str, Any] | None) -> str:
    several = len(envelope.recipients) > 1
    kinds = {each.algorithm.partition("-")[0] for each in envelope.recipients}
    if kinds == {"ALIBABA"}:  # a key in a KMS has no public half
        which = "one of these KMS keys" if several else "the KMS key"
        return _ORIGIN_KMS.format(can=f"may use {which}")
    if kinds == {"ALIBABA", "AES"}:
        return _ORIGIN_KMS.format(can="may use one of these KMS keys or holds one of the AES keys")
    if kinds != {"AES"}:
        return _ORIGIN_RSA
    return _ORIGIN_AES.format(
        key="one of the AES keys" if several else "the AES key",
        if_="" if _is_authentic(opened) else ", if that key opens it",
    )


def _identity(recipient: cb.Recipient) -> tuple[str, str, bytes]:
    return recipient.algorithm, recipient.description_text, recipient.wrapped_key
