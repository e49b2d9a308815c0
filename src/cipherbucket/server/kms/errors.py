"""The errors that the KMS endpoint answers: codes, statuses and messages of the real service.

Law: an error is the exception `KmsApiError` wherever it arises, and becomes JSON or XML in one
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


class KmsApiError(Exception):
    """A call that is answered with an error.

    Attributes:
        status: HTTP status.
        code: KMS's error code.
        message: One sentence.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}")  # the message may quote the request
        self.status = status
        self.code = code
        self.message = message


def missing_parameter(name: str) -> KmsApiError:
    """Return 400 MissingParameter."""
    text = f'The parameter "{name}" is needed but not provided.'
    return KmsApiError(400, "MissingParameter", text)


def invalid_parameter(name: str) -> KmsApiError:
    """Return 400 InvalidParameter; the value is not repeated, as it may be a secret."""
    return KmsApiError(400, "InvalidParameter", f'The specified parameter "{name}" is not valid.')


def key_not_found() -> KmsApiError:
    """Return 404 Forbidden.KeyNotFound."""
    return KmsApiError(404, "Forbidden.KeyNotFound", "The specified Key is not found.")


def key_version_not_found() -> KmsApiError:
    """Return 404 Forbidden.KeyVersionNotFound."""
    text = "The specified Key version is not found."
    return KmsApiError(404, "Forbidden.KeyVersionNotFound", text)


def alias_not_found() -> KmsApiError:
    """Return 404 Forbidden.AliasNotFound."""
    return KmsApiError(404, "Forbidden.AliasNotFound", "The specified Alias is not found.")


def alias_exists() -> KmsApiError:
    """Return 400 AliasAlreadyExists."""
    return KmsApiError(400, "AliasAlreadyExists", "AliasName Already Exists.")


def limit_exceeded() -> KmsApiError:
    """Return 400 Rejected.LimitExceeded."""
    text = "The request was rejected because user create resource limit was exceeded."
    return KmsApiError(400, "Rejected.LimitExceeded", text)


def key_disabled() -> KmsApiError:
    """Return 409 Rejected.Disabled."""
    text = "The request was rejected because the key state is Disabled."
    return KmsApiError(409, "Rejected.Disabled", text)


def throttled() -> KmsApiError:
    """Return 429 Rejected.Throttling."""
    return KmsApiError(429, "Rejected.Throttling", "QPS Limit Exceeded")


def internal_failure() -> KmsApiError:
    """Return 500 InternalFailure."""
    return KmsApiError(500, "InternalFailure", "Internal Failure.")


def unavailable() -> KmsApiError:
    """Return 503 ServiceUnavailableTemporary."""
    text = "Service Unavailable Temporary."
    return KmsApiError(503, "ServiceUnavailableTemporary", text)


def unsupported_method() -> KmsApiError:
    """Return 403 UnsupportedHTTPMethod."""
    return KmsApiError(403, "UnsupportedHTTPMethod", "This http method is not supported.")


def unreadable_parameters() -> KmsApiError:
    """Return 400 ParseRequestParameterException."""
    text = "Server parse parameters exception. Please check your input params."
    return KmsApiError(400, "ParseRequestParameterException", text)


def action_not_found() -> KmsApiError:
    """Return 404 InvalidAction.NotFound."""
    text = "Specified api is not found, please check your url and method."
    return KmsApiError(404, "InvalidAction.NotFound", text)


def invalid_version() -> KmsApiError:
    """Return 400 InvalidVersion."""
    text = "Specified parameter Version is not valid."
    return KmsApiError(400, "InvalidVersion", text)


def incomplete_signature() -> KmsApiError:
    """Return 400 IncompleteSignature: there is none, or it is not of the form that it must have."""
    text = "The request signature does not conform to Alibaba Cloud standards."
    return KmsApiError(400, "IncompleteSignature", text)


def signature_does_not_match(string_to_sign: str) -> KmsApiError:
    """Return 400 SignatureDoesNotMatch; SDKs compare what stands behind the colon with theirs."""
    return KmsApiError(
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. server string to sign is:"
        f"{string_to_sign}",
    )


def access_key_not_found() -> KmsApiError:
    """Return 404 InvalidAccessKeyId.NotFound; STS keys without their token get it too."""
    text = "The AccessKey ID provided does not exist in our records."
    return KmsApiError(404, "InvalidAccessKeyId.NotFound", text)


def malformed_token() -> KmsApiError:
    """Return 400 InvalidSecurityToken.Malformed."""
    text = "Specified SecurityToken is malformed."
    return KmsApiError(400, "InvalidSecurityToken.Malformed", text)


def illegal_timestamp() -> KmsApiError:
    """Return 400 IllegalTimestamp: none was given, or one too far from now."""
    text = 'The input parameter "Timestamp" that is required for processing this request is not'
    return KmsApiError(400, "IllegalTimestamp", f"{text} supplied.")


def malformed_timestamp() -> KmsApiError:
    """Return 400 InvalidTimeStamp.Format."""
    text = "Specified time stamp or date value is not well formatted."
    return KmsApiError(400, "InvalidTimeStamp.Format", text)


def nonce_used() -> KmsApiError:
    """Return 400 SignatureNonceUsed."""
    text = "Specified signature nonce was used already."
    return KmsApiError(400, "SignatureNonceUsed", text)
