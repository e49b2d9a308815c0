"""The actions of the KMS endpoint: from parameters to the elements of an answer.

Rule: an action is a function of the vault and the parameters. What it does not understand it
refuses; a plaintext is kept as the text that it came as, which most clients make base64 and those
of old OSS formats do not.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cipherbucket.server.kms.ciphertext import decrypt, encrypt, parse_context, read_blob
from cipherbucket.server.kms.errors import KmsApiError, Refusal
from cipherbucket.server.kms.key_database import ALIAS, DISABLED, ENABLED, Key, Vault
from cipherbucket.server.kms.verification import KmsRequest
from cipherbucket.server.numbers import whole_number

Elements = dict[str, Any]
Action = Callable[[Vault, "Parameters"], Elements]

ACCOUNT = "1000000000000000"
"""The account that keys belong to."""
MAX_PLAINTEXT = 8192
"""Most characters of a plaintext: the 6 KB that the service encrypts, in base64."""
_MAX_DATA_KEY = 1024
_MAX_DESCRIPTION = 8192
_DATA_KEYS = {"AES_256": 32, "AES_128": 16}
_ALIAS_NAME = re.compile(r"alias/[A-Za-z0-9_/-]{1,255}")
_MAX_PAGE = 100
_ONLY = {
    "KeySpec": {"Aliyun_AES_256"},
    "KeyUsage": {"ENCRYPT/DECRYPT"},
    "Origin": {"Aliyun_KMS"},
    "ProtectionLevel": {"SOFTWARE", "HSM"},
}


class Parameters:
    """The parameters of one call."""

    def __init__(self, request: KmsRequest) -> None:
        self._given = dict(reversed(request.parameters))

    def get(self, name: str) -> str:
        """Return a parameter, "" where it is not there."""
        return self._given.get(name, "")

    def need(self, name: str) -> str:
        """Return a parameter that must be there.

        Raises:
            KmsApiError: It is not.
        """
        value = self.get(name)
        if not value:
            raise KmsApiError(Refusal.MISSING_PARAMETER, name)
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """Return a number from 1 to ``most``.

        Raises:
            KmsApiError: It is none.
        """
        value = self.get(name)
        number = whole_number(value, 1, most) if value else default
        if number is None:
            raise KmsApiError(Refusal.INVALID_PARAMETER, name)
        return number

    def context(self, name: str = "EncryptionContext") -> dict[str, str]:
        """Return a context.

        Raises:
            KmsApiError: It is none.
        """
        return parse_context(self.get(name), name)

    def page(self) -> tuple[int, int]:
        """Return number and size of the page of a list.

        Raises:
            KmsApiError: One of them is no number.
        """
        return self.number("PageNumber", 1, 10**6), self.number("PageSize", 10, _MAX_PAGE)


def find_action(name: str) -> Action:
    """Return the action of a name.

    Raises:
        KmsApiError: There is none.
    """
    action = _ACTIONS.get(name)
    if action is None:
        raise KmsApiError(Refusal.ACTION_NOT_FOUND)
    return action


def _encrypt(vault: Vault, parameters: Parameters) -> Elements:
    _refuse_special(parameters)
    key = _usable(vault, parameters.need("KeyId"))
    plaintext = parameters.need("Plaintext")
    if len(plaintext) > MAX_PLAINTEXT:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "Plaintext")
    return _encrypted(vault, key, plaintext, parameters.context())


def _decrypt(vault: Vault, parameters: Parameters) -> Elements:
    _refuse_special(parameters)
    key, version_id, plaintext = _decrypted(vault, parameters, parameters.context())
    return {"KeyId": key.id, "KeyVersionId": version_id, "Plaintext": plaintext}


def _re_encrypt(vault: Vault, parameters: Parameters) -> Elements:
    _refuse_special(parameters)
    source = parameters.context("SourceEncryptionContext")
    target = _usable(vault, parameters.need("DestinationKeyId"))
    _, _, plaintext = _decrypted(vault, parameters, source)
    return _encrypted(vault, target, plaintext, parameters.context("DestinationEncryptionContext"))


def _generate_data_key(vault: Vault, parameters: Parameters) -> Elements:
    _refuse_special(parameters)
    key = _usable(vault, parameters.need("KeyId"))
    spec = parameters.get("KeySpec") or "AES_256"
    if spec not in _DATA_KEYS:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "KeySpec")
    # Where both are given, as oss2 does, the number counts.
    length = parameters.number("NumberOfBytes", _DATA_KEYS[spec], _MAX_DATA_KEY)
    plaintext = base64.b64encode(secrets.token_bytes(length)).decode()
    encrypted = _encrypted(vault, key, plaintext, parameters.context())
    return {**encrypted, "Plaintext": plaintext}


def _generate_data_key_without_plaintext(vault: Vault, parameters: Parameters) -> Elements:
    answer = _generate_data_key(vault, parameters)
    del answer["Plaintext"]
    return answer


def _create_key(vault: Vault, parameters: Parameters) -> Elements:
    for name, values in _ONLY.items():
        if parameters.get(name) and parameters.get(name) not in values:
            raise KmsApiError(Refusal.INVALID_PARAMETER, name)
    description = parameters.get("Description")
    if len(description) > _MAX_DESCRIPTION:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "Description")
    return {"KeyMetadata": _metadata(vault, vault.create_key(description))}


def _describe_key(vault: Vault, parameters: Parameters) -> Elements:
    return {"KeyMetadata": _metadata(vault, vault.find(parameters.need("KeyId")))}


def _list_keys(vault: Vault, parameters: Parameters) -> Elements:
    number, size = parameters.page()
    keys, total = vault.keys((number - 1) * size, size)
    listed = [{"KeyId": key.id, "KeyArn": f"{vault.arn}key/{key.id}"} for key in keys]
    return {"Keys": {"Key": listed}, **_page(number, size, total)}


def _create_alias(vault: Vault, parameters: Parameters) -> Elements:
    name = parameters.need("AliasName")
    # alias/acs/... are the service's own.
    if not _ALIAS_NAME.fullmatch(name) or name.startswith(f"{ALIAS}acs/"):
        raise KmsApiError(Refusal.INVALID_PARAMETER, "AliasName")
    vault.create_alias(name, vault.find(parameters.need("KeyId")))
    return {}


def _list_aliases(vault: Vault, parameters: Parameters) -> Elements:
    number, size = parameters.page()
    aliases, total = vault.aliases((number - 1) * size, size)
    listed = [
        {"AliasName": name, "AliasArn": f"{vault.arn}{name}", "KeyId": key} for name, key in aliases
    ]
    return {"Aliases": {"Alias": listed}, **_page(number, size, total)}


def _enable_key(vault: Vault, parameters: Parameters) -> Elements:
    vault.set_state(vault.find(parameters.need("KeyId")), ENABLED)
    return {}


def _disable_key(vault: Vault, parameters: Parameters) -> Elements:
    vault.set_state(vault.find(parameters.need("KeyId")), DISABLED)
    return {}


_ACTIONS: Mapping[str, Action] = {
    "CreateAlias": _create_alias,
    "CreateKey": _create_key,
    "Decrypt": _decrypt,
    "DescribeKey": _describe_key,
    "DisableKey": _disable_key,
    "EnableKey": _enable_key,
    "Encrypt": _encrypt,
    "GenerateDataKey": _generate_data_key,
    "GenerateDataKeyWithoutPlaintext": _generate_data_key_without_plaintext,
    "ListAliases": _list_aliases,
    "ListKeys": _list_keys,
    "ReEncrypt": _re_encrypt,
}


def _refuse_special(parameters: Parameters) -> None:
    if parameters.get("DryRun").lower() not in {"", "false"}:
        raise KmsApiError(Refusal.INVALID_PARAMETER, "DryRun")
    if parameters.get("Recipient"):  # answers for enclaves
        raise KmsApiError(Refusal.INVALID_PARAMETER, "Recipient")


def _usable(vault: Vault, name: str) -> Key:
    key = vault.find(name)
    if key.state != ENABLED:
        raise KmsApiError(Refusal.KEY_DISABLED)
    return key


def _encrypted(vault: Vault, key: Key, plaintext: str, context: Mapping[str, str]) -> Elements:
    secret = vault.secret(key, key.version_id)
    blob = encrypt(secret, key.id, key.version_id, plaintext.encode(), context)
    return {"KeyId": key.id, "KeyVersionId": key.version_id, "CiphertextBlob": blob}


def _decrypted(
    vault: Vault, parameters: Parameters, context: Mapping[str, str]
) -> tuple[Key, str, str]:
    blob = read_blob(parameters.need("CiphertextBlob"))
    key = _usable(vault, blob.key_id)
    plaintext = decrypt(vault.secret(key, blob.version_id), blob, context)
    return key, blob.version_id, plaintext.decode()


def _metadata(vault: Vault, key: Key) -> Elements:
    return {
        "KeyId": key.id,
        "Arn": f"{vault.arn}key/{key.id}",
        "Creator": ACCOUNT,
        "CreationDate": f"{key.created:%Y-%m-%dT%H:%M:%SZ}",
        "Description": key.description,
        "KeyState": key.state,
        "KeyUsage": "ENCRYPT/DECRYPT",
        "KeySpec": "Aliyun_AES_256",
        "Origin": "Aliyun_KMS",
        "ProtectionLevel": "SOFTWARE",
        "PrimaryKeyVersion": key.version_id,
        "AutomaticRotation": "Disabled",
        "DeleteDate": "",
        "MaterialExpireTime": "",
    }


def _page(number: int, size: int, total: int) -> Elements:
    return {"PageNumber": number, "PageSize": size, "TotalCount": total}
