"""Exceptions of the OSS SDK, and answers that cannot be understood, as errors of ours.

Rule: an error of ours that was raised below the SDK comes out as it is. What the libraries below it
say is not shown: it may repeat what was to be sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alibabacloud_oss_v2 import exceptions

from cipherbucket.errors import CipherbucketError, StoreError
from cipherbucket.stores.http.understood import understood, words


@contextmanager
def service_errors(name: str | None = None) -> Iterator[None]:
    """Turn the SDK's exceptions, and answers that cannot be understood, into errors of ours."""
    with understood(name):
        try:
            yield
        except exceptions.BaseError as error:
            cause: Exception = error
            while isinstance(cause, exceptions.OperationError) and cause.unwrap() is not None:
                cause = cause.unwrap()
            ours = _translated(cause, name)
            # One that was raised below, or has a cause, keeps its own.
            known = ours.__traceback__ is not None or ours.__cause__ is not None
            raise ours from (ours.__cause__ if known else cause)


def _translated(error: Exception, name: str | None) -> CipherbucketError:
    inner: BaseException | None = error
    if isinstance(error, exceptions.CredentialsFetchError):
        inner = error.__context__  # what our provider of credentials says of them
    if isinstance(inner, CipherbucketError):
        inner.name = inner.name or name
        return inner
    if inner is not error and inner is not None:
        failed = StoreError(
            f"the provider of credentials failed: {type(inner).__name__}",
            name=name,
            hint="OSS was not asked; look at what credentials= was given",
        )
        failed.__cause__ = inner
        return failed
    if isinstance(error, exceptions.CredentialsBaseError):
        return StoreError(
            "there are no usable credentials: they are empty",
            name=name,
            hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        )
    # What the libraries below the SDK say may repeat what was to be sent.
    said = words(error) if isinstance(error, exceptions.BaseError) else type(error).__name__
    return StoreError(f"the SDK refused the request: {said}", name=name)
