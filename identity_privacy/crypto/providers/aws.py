"""A root key in AWS KMS: `awskms:///<key id, alias/name or ARN>?region=…&endpoint=…`.

Credentials are found as boto3 finds them: the environment, shared files, the role of the machine or container.
"""

import base64
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol, TypedDict
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers.interface import RootKeyProvider
from identity_privacy.crypto.providers.transport import aws_endpoint, is_loopback, is_plain

try:  # an optional extra: a service with its root key elsewhere needs no boto3
    import boto3
    from botocore import exceptions
    from botocore.config import Config
except ImportError:
    boto3 = None

# Under which name KMS binds what a key is; policies may demand it.
CONTEXT: Final = "identity-privacy"
CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 3
ATTEMPTS: Final = 2

_WRONG: Final = {"InvalidCiphertextException", "IncorrectKeyException"}
_KEY_IS_OFF: Final = {"DisabledException", "KMSInvalidStateException", "NotFoundException", "InvalidKeyUsageException"}
_TRY_AGAIN: Final = {
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_CREDENTIALS: Final = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class _Answer(TypedDict, total=False):
    CiphertextBlob: bytes
    Plaintext: bytes


class _Client(Protocol):
    """What of boto3's client is used; boto3 makes its methods at run time and ships no types."""

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> _Answer: ...

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> _Answer: ...


class AwsKms:
    """A symmetric key in AWS KMS, which never leaves it; what a wrapped key is goes along as encryption context."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._key = unquote(parts.path.lstrip("/"))
        options = parse_qs(parts.query)
        if parts.netloc or not self._key or options.keys() - {"region", "endpoint"}:
            raise RootKeyUnavailable("write a key in AWS KMS as awskms:///<key id, alias/name or ARN>?region=<region>")
        if boto3 is None:
            raise RootKeyUnavailable("AWS KMS needs boto3: pip install identity-privacy[aws]")
        self._region = options.get("region", [""])[0]
        self._endpoint = options.get("endpoint", [""])[0]
        _refuse_plain(aws_endpoint(url), but_here=True)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Let KMS encrypt the key, under the newest material. Raises: RootKeyUnavailable."""
        try:
            answer = self._client().encrypt(KeyId=self._key, Plaintext=key, EncryptionContext=_bound(context))
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise _unavailable(error, self._key) from None
        return answer["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Let KMS decrypt the key, by this key alone. Raises: WrongPlace; RootKeyUnavailable."""
        try:
            # Named, or KMS would take whichever key the bytes name, even one of a stranger.
            answer = self._client().decrypt(KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=_bound(context))
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            if _code(error) in _WRONG:
                raise WrongPlace from None
            raise _unavailable(error, self._key) from None
        return answer["Plaintext"]

    def newest(self) -> RootKeyProvider:
        """Itself: KMS does not tell under which of its versions something was wrapped."""
        return self

    def _client(self) -> _Client:
        try:
            return _client(os.getpid(), self._region, self._endpoint)
        except exceptions.BotoCoreError as error:
            raise _unavailable(error, self._key) from None


# By process: a child that shared its parent's connections would read the parent's answers. A client serves all threads;
# a session serves one, so each client has its own.
@lru_cache(maxsize=4)
def _client(process_id: int, region: str, endpoint: str) -> _Client:
    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    client = boto3.session.Session().client(
        "kms", region_name=region or None, endpoint_url=endpoint or None, config=limits
    )
    # AWS's own configuration files may name it, too.
    _refuse_plain(client.meta.endpoint_url, but_here=not settings.PRODUCTION)
    found: _Client = client
    return found


def _refuse_plain(endpoint: str, *, but_here: bool) -> None:
    """Raises: RootKeyUnavailable, where whoever listens would read keys: KMS gets and gives them as they are."""
    if is_plain(endpoint) and not (but_here and is_loopback(urlsplit(endpoint).hostname or "")):
        raise RootKeyUnavailable("keys go to AWS KMS by https:// alone: see `endpoint` and AWS_ENDPOINT_URL")


def _bound(context: bytes) -> Mapping[str, str]:
    return {CONTEXT: base64.b64encode(context).decode()}


def _code(error: Exception) -> str:
    """The code of KMS's refusal; of an error on our side, its class."""
    if isinstance(error, exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def _unavailable(error: Exception, key: str) -> RootKeyUnavailable:
    # Never the error's own words: those of some credential providers hold a part of the credential.
    code, soon = _code(error), settings.ROOT_KEY_RETRY_SECONDS
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):  # no connection, no answer in time
        return RootKeyUnavailable(f"AWS KMS cannot be reached ({code})", retry_after_seconds=soon)
    if isinstance(error, exceptions.NoRegionError):
        return RootKeyUnavailable("say in ROOT_KEY_URL in which region the key is: ?region=<region>")
    if code in _CREDENTIALS or not isinstance(error, exceptions.ClientError):
        _client.cache_clear()  # a client keeps what credentials it found at first, even none
        return RootKeyUnavailable(
            f"AWS credentials are missing, expired or not accepted ({code}): renew them", retry_after_seconds=soon
        )
    if code in _TRY_AGAIN:
        return RootKeyUnavailable(f"AWS KMS is busy ({code})", retry_after_seconds=soon)
    if code in _KEY_IS_OFF:
        return RootKeyUnavailable(f"the key {key} is disabled, deleted or not there ({code}): see it in AWS KMS")
    if code == "AccessDeniedException":
        return RootKeyUnavailable(f"AWS KMS denies the key {key}: allow this role kms:Encrypt and kms:Decrypt on it")
    return RootKeyUnavailable(f"AWS KMS refuses the key {key} ({code})")
