# SPDX-License-Identifier: Apache-2.0
"""Every error that a client or an operator may be told about, in one tree.

    EstivaError
    |- ClientError                  the request is at fault; 4xx, rendered as the spec's JSON
    |  |- NameInvalid               400 NAME_INVALID
    |  |- TagInvalid                400 MANIFEST_INVALID
    |  |- DigestInvalid             400 DIGEST_INVALID
    |  |- ManifestInvalid           400 MANIFEST_INVALID
    |  |- ManifestReferenceUnknown  400 MANIFEST_BLOB_UNKNOWN
    |  |- UploadInvalid             400 BLOB_UPLOAD_INVALID
    |  |- SizeInvalid               400 SIZE_INVALID
    |  |- BodyTruncated             400 SIZE_INVALID
    |  |- PageInvalid               400 UNSUPPORTED
    |  |- RequestInvalid            400 UNSUPPORTED
    |  |- RouteUnknown              404 UNSUPPORTED
    |  |- NameUnknown               404 NAME_UNKNOWN
    |  |- BlobUnknown               404 BLOB_UNKNOWN
    |  |- ManifestUnknown           404 MANIFEST_UNKNOWN
    |  |- UploadUnknown             404 BLOB_UPLOAD_UNKNOWN
    |  |- MethodUnsupported         405 UNSUPPORTED
    |  |- DeletionDisabled          405 UNSUPPORTED
    |  |- ContentInUse              405 UNSUPPORTED
    |  |- BodyStalled               408 BLOB_UPLOAD_INVALID
    |  |- HeadStalled               408 UNSUPPORTED
    |  |- PreconditionFailed        412 MANIFEST_INVALID
    |  |- ManifestTooLarge          413 SIZE_INVALID
    |  |- TooManyTags               414 MANIFEST_INVALID
    |  |- UploadOutOfOrder          416 BLOB_UPLOAD_INVALID
    |  |- RangeNotSatisfiable       416 SIZE_INVALID
    |  `- HeadersTooLarge           431 UNSUPPORTED
    |- ServerError                  the server is at fault; 5xx, always UNKNOWN with the request id
    |  |- StorageUnavailable        503
    |  |- DatabaseUnavailable       503
    |  |- TooBusy                   503
    |  `- StorageFull               507
    `- OperatorError                told on the terminal, never over HTTP; ends the command with a cure
       |- SettingsInvalid
       |- AddressUnavailable
       |- DataDirectoryUnusable
       |- DataDirectoryTaken
       |- StoreMismatch
       |- DatabaseUnusable
       `- RegistryUnusable

Codes are those of the OCI distribution-spec ("Error Codes"); a class carries code and status, `web/responses.py`
alone renders them. Messages say what to do, and are shown to whoever sent the request: no secrets, no paths.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class EstivaError(Exception):
    """Base of the tree; `message` is meant for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ClientError(EstivaError):
    """A request that cannot be served as it stands.

    `detail` is any JSON value that helps a program; `headers` go out with the answer.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "UNSUPPORTED"

    def __init__(self, message: str, *, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.detail = detail
        self.headers = dict(headers or {})


class NameInvalid(ClientError):
    """The repository name does not match the spec's grammar."""

    code = "NAME_INVALID"


class TagInvalid(ClientError):
    """The tag does not match the spec's grammar (the spec's list has no code of its own for it)."""

    code = "MANIFEST_INVALID"


class DigestInvalid(ClientError):
    """The digest is malformed, of an unsupported algorithm, or not that of the content."""

    code = "DIGEST_INVALID"


class ManifestInvalid(ClientError):
    """The manifest is not one that can be stored."""

    code = "MANIFEST_INVALID"


class ManifestReferenceUnknown(ClientError):
    """The manifest refers to blobs or manifests that the repository does not have."""

    code = "MANIFEST_BLOB_UNKNOWN"

    def __init__(self, digests: Sequence[str], message: str) -> None:
        super().__init__(message, detail=[{"digest": digest} for digest in digests])


class UploadInvalid(ClientError):
    """The request does not fit the upload session."""

    code = "BLOB_UPLOAD_INVALID"


class SizeInvalid(ClientError):
    """More or fewer bytes came than were announced."""

    code = "SIZE_INVALID"


class BodyTruncated(SizeInvalid):
    """The body ended before it was complete; nothing of it counts as finished."""


class PageInvalid(ClientError):
    """The paging parameters are not understood."""


class RequestInvalid(ClientError):
    """The request is not proper HTTP, or a parameter is not understood."""


class RouteUnknown(ClientError):
    """No endpoint has this path."""

    status = 404


class NameUnknown(ClientError):
    """The repository does not exist, or the caller may not know of it."""

    status = 404
    code = "NAME_UNKNOWN"


class BlobUnknown(ClientError):
    """The repository has no such blob."""

    status = 404
    code = "BLOB_UNKNOWN"


class ManifestUnknown(ClientError):
    """The repository has no such manifest."""

    status = 404
    code = "MANIFEST_UNKNOWN"


class UploadUnknown(ClientError):
    """The repository has no such upload session: finished, cancelled, expired or never begun."""

    status = 404
    code = "BLOB_UPLOAD_UNKNOWN"


class MethodUnsupported(ClientError):
    """The endpoint exists, the method does not; `Allow` names those that do (RFC 9110, section 15.5.6)."""

    status = 405


class DeletionDisabled(ClientError):
    """Deleting is switched off by a setting."""

    status = 405


class ContentInUse(ClientError):
    """A live manifest still needs what was to be deleted; `detail` names those that do."""

    status = 405

    def __init__(self, message: str, *, needed_by: Sequence[str]) -> None:
        super().__init__(message, detail={"neededBy": list(needed_by)})


class BodyStalled(ClientError):
    """The body stopped coming for longer than the limit."""

    status = 408
    code = "BLOB_UPLOAD_INVALID"


class HeadStalled(ClientError):
    """The request's head did not come within the limit."""

    status = 408


class PreconditionFailed(ClientError):
    """`If-Match` or `If-None-Match` does not hold: somebody else moved the tag."""

    status = 412
    code = "MANIFEST_INVALID"


class ManifestTooLarge(ClientError):
    """The manifest is over the limit."""

    status = 413
    code = "SIZE_INVALID"


class TooManyTags(ClientError):
    """More `tag` parameters than one request may carry."""

    status = 414
    code = "MANIFEST_INVALID"


class UploadOutOfOrder(ClientError):
    """The chunk does not begin where the upload stands, or another client is writing to the session.

    `offset` is where it stands, in bytes; the answer carries it as `Range`, so that the client can go on from there.
    """

    status = 416
    code = "BLOB_UPLOAD_INVALID"

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message, detail={"offset": offset})
        self.offset = offset


class RangeNotSatisfiable(ClientError):
    """No requested range lies within the content."""

    status = 416
    code = "SIZE_INVALID"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"no part of the requested range lies within the {size} bytes of this content",
            headers={"Content-Range": f"bytes */{size}"},
        )


class HeadersTooLarge(ClientError):
    """The request's head is over the limit."""

    status = 431


class ServerError(EstivaError):
    """The server cannot do what was asked; the message says since when and what helps."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "UNKNOWN"
    retry_after: ClassVar[int | None] = None  # seconds


class StorageUnavailable(ServerError):
    """The bytes cannot be read or written."""

    status = 503
    retry_after = 5


class DatabaseUnavailable(ServerError):
    """The database cannot be reached, or is busy beyond its limit."""

    status = 503
    retry_after = 5


class TooBusy(ServerError):
    """A limit of the server is reached: connections, uploads, or writes that wait; the message says which."""

    status = 503
    retry_after = 1


class StorageFull(ServerError):
    """No room is left for new content; deleting still works."""

    status = 507


class OperatorError(EstivaError):
    """Something that whoever runs the server can mend; `hint` says how."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsInvalid(OperatorError):
    """A setting is unknown, malformed or contradicts another."""


class AddressUnavailable(OperatorError):
    """The address or port to listen on is taken or not ours."""


class DataDirectoryUnusable(OperatorError):
    """The data directory cannot be created, written or trusted to keep what is written."""


class DataDirectoryTaken(OperatorError):
    """Another server holds the data directory."""


class StoreMismatch(OperatorError):
    """The database belongs to another data directory."""


class DatabaseUnusable(OperatorError):
    """The database is newer than this version, or cannot be opened or migrated."""


class RegistryUnusable(OperatorError):
    """The registry that a command was pointed at cannot be reached, is none, or refuses."""
