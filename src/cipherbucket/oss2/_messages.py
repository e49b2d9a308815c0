"""The library's messages in oss2's terms, for readers who have a program for oss2 before them.

Rule: only terms are translated here, in one table; the library says what happened and what to do.
"""

from __future__ import annotations

import re

from cipherbucket.errors import CipherbucketError

_ADD = "crypto_provider.add_encryption_materials(EncryptionMaterials(desc, ...))"

# The longer ones first.
_TERMS = (
    (
        "if it should be plaintext, open with policy=Policy(plaintext=True);",
        (
            "if it should be plaintext, CryptoBucket(..., policy=cipherbucket.Policy("
            "plaintext=True)) reads it;"
        ),
    ),
    (
        "name the format in policy=Policy(formats=...)",
        "name the format: CryptoBucket(..., policy=cipherbucket.Policy([...]))",
    ),
    (
        "lower min_rsa_bits in the policy to read it",
        "to read it, CryptoBucket(..., policy=cipherbucket.Policy(min_rsa_bits=...))",
    ),
    ("in the policy", "in CryptoBucket's policy="),
    (
        "add the key with this description, or, if you know the key, read with key=",
        f"add its key: {_ADD}",
    ),
    ("add one of these keys, or, if you know the key, read with key=", f"add one of them: {_ADD}"),
    (
        "if you know the key, read with key=",
        "it takes a crypto_provider whose own key it is, with no mat_desc",
    ),
    (
        "if you know the key, read the object with key=",
        "it can be read with key= of cipherbucket.open_bucket(...).get",
    ),
    ("its description names another key", "its mat_desc names another key"),
    ("; try key= with the right one", "; give the crypto_provider the right one"),
    ("is a key of the ring, which holds:", "has a key of the crypto_provider, which has:"),
    ("has no description, so that it names no key", "has no mat_desc"),
    ("the key of that description does not unwrap", "the key of that mat_desc does not unwrap"),
    (", the ring holds: ", ", the keys of the crypto_provider have: "),
    ("writes without a description", "writes without a mat_desc"),
    ("give it description={...}", "give the provider mat_desc={...}"),
    ("the description of key", "the mat_desc of key"),
    ("give each key a description of its own", "give each key a mat_desc of its own"),
    ("give passphrase=, or set CIPHERBUCKET_PASSPHRASE", "give the provider passphrase="),
    (
        "text: text.encode(); a file: pathlib.Path(name)",
        "of a file by its name: put_object_from_file",
    ),
    ("a body is bytes, a path, a binary file", "data is bytes, text, a binary file"),
    ("check OSS_ACCESS_KEY_ID", "check the access key id"),
    ("check OSS_ACCESS_KEY_SECRET", "check the access key secret"),
    (
        "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        "give Auth an access key id and its secret, or take AnonymousAuth",
    ),
    (
        "get a new one, or give credentials= as a provider that does",
        "get a new one, and set it as sts_token",
    ),
    ("; patience= waits longer", ""),
    ("look at what credentials= was given", "look at the access key that the provider was given"),
    (
        "set OSS_REGION (such as cn-hangzhou) or KMS_ENDPOINT",
        "give the provider region= (such as cn-hangzhou), or set KMS_ENDPOINT",
    ),
    ("name its file as ca_file", "name its file in ALIBABA_CLOUD_CA_BUNDLE"),
    (
        "check endpoint= and OSS_ENDPOINT, proxy= and HTTPS_PROXY",
        "check the endpoint, proxies= and HTTPS_PROXY",
    ),
    ("the endpoint (OSS_ENDPOINT)", "the endpoint"),
    ("bucket.versions(name) lists them", "bucket.list_object_versions(prefix=key) lists them"),
    ("bucket.restore(name)", "bucket.restore_object(key)"),
    ("bucket.head(name)", "bucket.head_object(key)"),
    ("recipients.add", "cipherbucket.recipients.add"),
)
_DESCRIBED = re.compile(r"the object's key is described as (.*?) (?=\([^()]*\), the keys of)")
_NONE = re.compile(r"\bno description\b")


def in_oss2_terms(text: str) -> str:
    """Return a text of the library in oss2's terms."""
    for ours, theirs in _TERMS:
        text = text.replace(ours, theirs)
    return _NONE.sub("no mat_desc", _DESCRIBED.sub(r"the object has mat_desc \1 ", text))


def message_of(error: CipherbucketError) -> str:
    """Return what happened and what to do next, in oss2's terms."""
    return in_oss2_terms(f"{error} ({error.hint})" if error.hint else str(error))
