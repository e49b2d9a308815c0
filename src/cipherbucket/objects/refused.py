"""What object storage offers for plaintext and nobody can do with ciphertext.

Law: what is asked for here is refused before anything is sent, with the reason and the way out.
"""

from __future__ import annotations

from typing import NoReturn

from cipherbucket.errors import UsageError


class Refused:
    """The verbs of OSS that an encrypted bucket does not have."""

    def append(self, name: str, *_: object, **__: object) -> NoReturn:
        """Refuse to append.

        Raises:
            UsageError: Always. The next bytes would have to be encrypted under a key and a counter
                that the store names, and two writers would use the same ones.
        """
        raise UsageError(
            "nothing can be appended to an encrypted object: its keystream would be used twice",
            name=name,
            hint="put the object again, or put each piece as an object of its own",
        )

    def select(self, name: str, *_: object, **__: object) -> NoReturn:
        """Refuse to let the store run SQL on an object.

        Raises:
            UsageError: Always. The store sees ciphertext.
        """
        raise UsageError(
            "the store sees ciphertext and cannot select from it",
            name=name,
            hint="open the object and query it here: bucket.open(name)",
        )

    def process(self, name: str, *_: object, **__: object) -> NoReturn:
        """Refuse to let the store process an object (images, documents, media).

        Raises:
            UsageError: Always. The store sees ciphertext.
        """
        raise UsageError(
            "the store sees ciphertext and cannot process it",
            name=name,
            hint="read the object and process it here",
        )

    def presign_put(self, name: str, *_: object, **__: object) -> NoReturn:
        """Refuse to presign an upload.

        Raises:
            UsageError: Always. Whoever is given the URL has no envelope to send with the body, so
                plaintext would be stored under the name of an encrypted object.
        """
        raise UsageError(
            "an upload of an encrypted object cannot be presigned: its envelope is not known yet",
            name=name,
            hint="give whoever uploads the public half of the key and an access key of their own",
        )
