"""What a `CryptoBucket` refuses, as that of oss2 does: it would leave plaintext, or garbage."""

from __future__ import annotations

from typing import NoReturn

from cipherbucket.oss2.exceptions import ClientError

_REFUSED = "The operation is not support for CryptoBucket"


class Refused:
    """Calls that cannot be done with ciphertext; each raises `ClientError`."""

    def put_object_with_url(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a presigned PUT does not cover the envelope's headers."""
        raise ClientError(f"{_REFUSED}: use put_object()")

    def put_object_with_url_from_file(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `put_object_with_url`."""
        raise ClientError(f"{_REFUSED}: use put_object_from_file()")

    def append_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: what is appended would need another place in the keystream than it gets."""
        raise ClientError(f"{_REFUSED}: put the object anew")

    def upload_part_copy(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a part of another object is encrypted under another data key."""
        raise ClientError(f"{_REFUSED}: use copy_object(), or upload_part() with what was read")

    def select_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the service sees ciphertext."""
        raise ClientError(f"{_REFUSED}: read the object and select from it")

    def select_object_to_file(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `select_object`."""
        raise ClientError(f"{_REFUSED}: read the object and select from it")

    def create_select_object_meta(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `select_object`."""
        raise ClientError(f"{_REFUSED}: read the object and select from it")

    def process_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the service sees ciphertext."""
        raise ClientError(f"{_REFUSED}: read the object and process it")

    def async_process_object(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `process_object`."""
        raise ClientError(f"{_REFUSED}: read the object and process it")
