"""Options of ``cp`` and ``sync`` that say how objects are written.

Rule: what the format or the direction does not have is refused before a key is read or anything is
sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

import cipherbucket as cb
from cipherbucket.cli.options.access import SEALED, AccessOptions, of_sealed
from cipherbucket.cli.options.config import KeyName, load_key, meant_url, split_url
from cipherbucket.cli.options.parsing import is_url, names_with_values
from cipherbucket.cli.options.place_headers import PLACE_OPTIONS, place_headers, service_of


@dataclass(frozen=True)
class WriteOptions:
    """How objects are written; fields are named as the arguments of the library's verbs.

    Attributes:
        content_type: Stored with the object, or None.
        metadata: The user's own, stored in the clear.
        if_absent: Only where there is nothing of that name yet.
        recipients: Further keys that open sealed objects.
        context: Pairs that sealed objects are bound to.
        bind_name: Whether sealed objects are bound to their names.
        headers: ACL, tags, storage class and encryption at rest, as OSS takes them.
    """

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_absent: bool = False
    recipients: tuple[cb.MasterKey, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    bind_name: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """All of it, as text, for the ledger of a copy: another text is another command."""
        keys = [each.id for each in self.recipients]
        own = {**vars(self), "recipients": keys}
        return json.dumps(own, default=dict, sort_keys=True)

    @property
    def renews(self) -> bool:
        """Whether a copy is something else than the object was."""
        described = self.content_type is not None or bool(self.metadata)
        return described or bool(self.recipients) or not self.bind_name


_OPTIONS = (
    click.option(
        "--source-region",
        metavar="REGION",
        help="Region of a SOURCE in OSS or S3, if it is not that of --region.",
    ),
    click.option("--source-endpoint", metavar="URL", help="Endpoint of such a SOURCE."),
    click.option(
        "--content-type", metavar="TYPE", help="Content type of the objects, in the clear."
    ),
    click.option(
        "--metadata",
        metavar="NAME=VALUE",
        multiple=True,
        callback=names_with_values,
        help="Metadata of the objects, stored in the clear; names of a-z, 0-9 and '-'. Repeatable,"
        " or with ',' between.",
    ),
    *PLACE_OPTIONS,
    click.option(
        "--recipient",
        "recipient_files",
        metavar="KEY",
        multiple=True,
        type=KeyName(),
        help="Format sealed: let this key open the objects, too; its public half is enough."
        " Repeatable.",
    ),
    click.option(
        "--no-bind-name",
        is_flag=True,
        help="Format sealed: let the objects be renamed in the store, and read under any name with"
        " --accept unbound.",
    ),
)


def write_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command with SOURCE and TARGET these options; it gets them as ``writing``.

    What is said of the SOURCE's region goes into ``access``. The keys of --recipient are read only
    after it is clear that the options make sense.
    """

    @wraps(function)
    def with_writing(*, target: str, access: AccessOptions, **kwargs: Any) -> Any:
        source = kwargs["source"] if "source" in kwargs else kwargs["sources"][0]
        content_type, metadata = kwargs.pop("content_type"), kwargs.pop("metadata")
        files, no_bind_name = kwargs.pop("recipient_files"), kwargs.pop("no_bind_name")
        headers = place_headers(kwargs, target)
        where = {name: kwargs.pop(f"source_{name}") for name in ("region", "endpoint")}
        up, down = is_url(target), is_url(source)
        if any(where.values()):
            service = service_of(source)
            if not up or service is None:
                raise cb.UsageError(
                    "--source-region and --source-endpoint are for copies of oss:// or s3:// to a"
                    " store",
                    hint="say --region and --endpoint before the command",
                )
            # Where only the region is given, the endpoint is its own and not the target's.
            endpoint = where["endpoint"] or ("" if where["region"] else None)
            kind = cb.S3Settings if service == "s3://" else cb.OssSettings
            access = replace(access, origin=kind(region=where["region"], endpoint=endpoint))
        if not up and not down:
            raise cb.UsageError(
                f"neither source nor target is a URL{meant_url(source) or meant_url(target)}",
                hint="give file:///folder/name, oss://bucket/name or s3://bucket/name",
            )
        if (content_type is not None or metadata) and not up:
            raise cb.UsageError("--content-type and --metadata are for objects, not for files")
        access = replace(access, recipient_files=files)
        access = _bound(access, source, target, recursive=kwargs.get("recursive", True))
        given = {"--recipient": bool(files), "--no-bind-name": no_bind_name}
        _refuse_misplaced(access, given, up=up, down=down)
        writing = WriteOptions(
            content_type,
            metadata,
            if_absent=kwargs.pop("if_absent", False),
            recipients=tuple(recipient_key(access, file) for file in files),
            context=access.context if up and access.format == SEALED else {},
            bind_name=not no_bind_name,
            headers=headers,
        )
        return function(target=target, access=access, writing=writing, **kwargs)

    command: Callable[..., Any] = with_writing
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def recipient_key(access: AccessOptions, named: str) -> cb.MasterKey:
    """Return a key of ``--recipient``.

    Raises:
        MasterKeyError: It cannot be read, or is not for format ``sealed``.
    """
    if access.config is not None:
        access.config.refuse_recipient(named)
    return load_key(named)


def _bound(access: AccessOptions, source: str, target: str, *, recursive: bool) -> AccessOptions:
    """Bind the rule of the place that is written to or, of what goes to files, read from."""
    if access.config is None:
        return access
    store_url, name = split_url(target if is_url(target) else source)
    if is_url(target) and not recursive and (not name or name.endswith("/")):
        name += Path(source).name or "-"  # it takes this name, or one that is not known yet
    folder = f"{name}/" if recursive and name[-1:] not in {"", "/"} else name
    return access.at(store_url, folder, whole=False)


def _refuse_misplaced(
    access: AccessOptions, given: dict[str, bool], *, up: bool, down: bool
) -> None:
    """Refuse, before anything is read or sent, what the format or the direction does not have."""
    for option in (option for option, is_given in given.items() if is_given):
        if not up:
            raise cb.UsageError(f"{option} is for objects, not for files", hint="leave it out")
        if access.format != SEALED:
            raise of_sealed(option)
    if access.context and not down and access.format != SEALED:
        raise of_sealed("--context")
