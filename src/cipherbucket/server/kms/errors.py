"""The errors that the KMS endpoint answers: codes, statuses and messages of the real service.

Rule: an error is the exception `KmsApiError` wherever it arises, and becomes JSON or XML in one
place. No code is invented; each comes from one of these:

::

    KMS, "Responses", common errors     InternalFailure, ServiceUnavailableTemporary,
                                        InvalidAccessKeyId.NotFound, Forbidden.KeyNotFound,
                                        Forbidden.KeyVersionNotFound, Forbidden.AliasNotFound,
                                        UnsupportedHTTPMethod, MissingParameter, InvalidParameter,
                                        IncompleteSignature, IllegalTimestamp, AliasAlreadyExists,
                                        Rejected.LimitExceeded, Rejected.Disabled,
                                        ParseRequestParameterException
    KMS, "Limits"                       Rejected.Throttling, with status 429
    short message service, "Errors",    SignatureNonceUsed, InvalidVersion, InvalidAction.NotFound,
    of the same RPC gateway             and that clocks may differ by 15 minutes
    sources of the SDKs                 SignatureDoesNotMatch with status 400 and "server string to
                                        sign is:" (Python core, Go); InvalidParameter for a
                                        ciphertext that is none ("The specified parameter
                                        CiphertextBlob is not valid", KMS transfer SDK for Go)
    threads of users                    InvalidSecurityToken.Malformed, InvalidTimeStamp.Format
    not documented anywhere             which code a ciphertext gets whose tag or context is wrong:
                                        here that of one that is none, as both look alike

The string to sign of a request by RPC has its parameters in it, so a `SignatureDoesNotMatch` gives
back what the client sent, plaintexts too. The real service does; clients must not log it.
"""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """Status, code and message; ``{}`` is a parameter's name, or a string to sign."""

    MISSING_PARAMETER = (400, "MissingParameter", 'The parameter "{}" is needed but not provided.')
    # The value is not repeated, as it may be a secret.
    INVALID_PARAMETER = (400, "InvalidParameter", 'The specified parameter "{}" is not valid.')
    KEY_NOT_FOUND = (404, "Forbidden.KeyNotFound", "The specified Key is not found.")
    KEY_VERSION_NOT_FOUND = (
        404,
        "Forbidden.KeyVersionNotFound",
        "The specified Key version is not found.",
    )
    ALIAS_NOT_FOUND = (404, "Forbidden.AliasNotFound", "The specified Alias is not found.")
    ALIAS_EXISTS = (400, "AliasAlreadyExists", "AliasName Already Exists.")
    LIMIT_EXCEEDED = (
        400,
        "Rejected.LimitExceeded",
        "The request was rejected because user create resource limit was exceeded.",
    )
    KEY_DISABLED = (
        409,
        "Rejected.Disabled",
        "The request was rejected because the key state is Disabled.",
    )
    THROTTLED = (429, "Rejected.Throttling", "QPS Limit Exceeded")
    INTERNAL_FAILURE = (500, "InternalFailure", "Internal Failure.")
    UNAVAILABLE = (503, "ServiceUnavailableTemporary", "Service Unavailable Temporary.")
    UNSUPPORTED_METHOD = (403, "UnsupportedHTTPMethod", "This http method is not supported.")
    UNREADABLE_PARAMETERS = (
        400,
        "ParseRequestParameterException",
        "Server parse parameters exception. Please check your input params.",
    )
    ACTION_NOT_FOUND = (
        404,
        "InvalidAction.NotFound",
        "Specified api is not found, please check your url and method.",
    )
    INVALID_VERSION = (400, "InvalidVersion", "Specified parameter Version is not valid.")
    # There is none, or it has another form.
    INCOMPLETE_SIGNATURE = (
        400,
        "IncompleteSignature",
        "The request signature does not conform to Alibaba Cloud standards.",
    )
    # SDKs compare what stands behind the colon with their own.
    SIGNATURE_DOES_NOT_MATCH = (
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. server string to sign is:{}",
    )
    # STS keys without their token get it too.
    ACCESS_KEY_NOT_FOUND = (
        404,
        "InvalidAccessKeyId.NotFound",
        "The AccessKey ID provided does not exist in our records.",
    )
    MALFORMED_TOKEN = (
        400,
        "InvalidSecurityToken.Malformed",
        "Specified SecurityToken is malformed.",
    )
    # None was given, or one too far from now.
    ILLEGAL_TIMESTAMP = (
        400,
        "IllegalTimestamp",
        (
            'The input parameter "Timestamp" that is required for processing this request is not'
            " supplied."
        ),
    )
    MALFORMED_TIMESTAMP = (
        400,
        "InvalidTimeStamp.Format",
        "Specified time stamp or date value is not well formatted.",
    )
    NONCE_USED = (400, "SignatureNonceUsed", "Specified signature nonce was used already.")


class KmsApiError(Exception):
    """A call that is answered with an error.

    Args:
        refusal: Which one.
        about: What its message names, where it names something.

    Attributes:
        status: HTTP status.
        code: KMS's error code.
        message: One sentence.
    """

    def __init__(self, refusal: Refusal, about: str = "") -> None:
        self.status, self.code, text = refusal.value
        super().__init__(f"{self.status} {self.code}")  # the message may quote the request
        self.message = text.format(about)
