"""What people type who know aws s3, ossutil or rclone, and what it is called here.

Rule: an answer names what to write instead, or says why nothing has to be. All of it is in
docs/command.md, too.
"""

from __future__ import annotations

COMMANDS = {
    "check": "diff",
    "cleanup": "transfers",
    "copy": "cp",
    "copy-object": "cp",
    "copyto": "cp",
    "cryptcheck": "verify",
    "del": "rm",
    "delete": "rm",
    "delete-object": "rm",
    "deletefile": "rm",
    "dir": "ls",
    "download": "cp",
    "get": "cp",
    "get-object": "cp",
    "head": "stat",
    "head-object": "stat",
    "info": "stat",
    "link": "presign",
    "list": "ls",
    "list-buckets": "ls",
    "list-multipart-uploads": "transfers",
    "list-object-versions": "ls",
    "list-objects": "ls",
    "list-objects-v2": "ls",
    "listremotes": "ls",
    "lsd": "ls",
    "lsf": "ls",
    "lsjson": "ls",
    "lsl": "ls",
    "move": "mv",
    "moveto": "mv",
    "purge": "rm",
    "put": "cp",
    "put-object": "cp",
    "remove": "rm",
    "rename": "mv",
    "restore-object": "restore",
    "sign": "presign",
    "signurl": "presign",
    "size": "du",
    "upload": "cp",
}
"""Commands of others, and ours."""

_OF_BUCKETS = "rules of a bucket are set with ossutil, aws or the console"

EXPLAINED_COMMANDS = {
    "bisync": "two writers of one name need a decision; sync copies one way",
    "help": "'cipherbucket COMMAND --help' explains a command",
    "lifecycle": _OF_BUCKETS,
    "mkdir": "folders need not be made; mb makes a directory store",
    "mount": "whole objects are encrypted, a file system changes them in place; cp copies them",
    "policy": _OF_BUCKETS,
    "rb": "buckets are removed with ossutil, aws or the console",
    "rcat": "'cp - URL' stores what comes from stdin",
    "revert": "an old version is brought back by cp --version-id",
    "set-acl": "an object gets its ACL when it is written, by cp --acl",
    "version": "it is 'cipherbucket --version'",
    "website": _OF_BUCKETS,
}

OPTIONS = {
    "--acl-public": "--acl",
    "--all-versions": "--versions",
    "--bandwidth-limit": "--limit-rate",
    "--bwlimit": "--limit-rate",
    "--checkers": "--workers",
    "--count": "--range",
    "--dryrun": "--dry-run",
    "--expected-size": "--size",
    "--expire": "--expires",
    "--expires-in": "--expires",
    "--forbid-overwrite": "--if-absent",
    "--head": "--range",
    "--ignore-existing": "--skip-existing",
    "--immutable": "--if-absent",
    "--jobs": "--workers",
    "--multipart-chunksize": "--part-size",
    "--no-overwrite": "--skip-existing",
    "--no-progress": "--quiet",
    "--offset": "--range",
    "--only-show-errors": "--quiet",
    "--output": "--json",
    "--output-format": "--json",
    "--parallel": "--workers",
    "--s3-chunk-size": "--part-size",
    "--s3-versions": "--versions",
    "--sse": "--server-side-encryption",
    "--summarize": "--total",
    "--tagging": "--tag",
    "--tail": "--range",
    "--timeout": "--expires",
    "--transfers": "--workers",
    "-c": "--checksum",
    "-j": "--workers",
    "-P": "--progress",
    "-R": "-r",
}
"""Options of others, and ours; an answer only where the command has it."""

_FILTERS = "names are chosen by --include and --exclude; ls --json gives ages and sizes"
_LINKS = "links to files are followed, links to folders never"
_ONE_VERSION = "ls --versions lists them, --version-id ID is one of them"
_UPLOADS = "'cipherbucket transfers URL' lists unfinished uploads, --clear aborts them"

EXPLAINED_OPTIONS = {
    "--all-versions": _ONE_VERSION,
    "--cache-control": "of these headers objects have --content-type alone",
    "--checksum": "sync and diff have it",
    "--content-disposition": "of these headers objects have --content-type alone",
    "--content-encoding": "of these headers objects have --content-type alone",
    "--delete": "sync has it",
    "--delete-excluded": "what --exclude leaves out is never deleted",
    "--endpoint-url": "--endpoint goes before the command",
    "--exact-timestamps": "sync gives a file its object's time",
    "--exclude-from": "--exclude is repeated, with a pattern each",
    "--files-from": "xargs gives cp, mv and rm the names of a file",
    "--follow-symlinks": _LINKS,
    "--include-from": "--include is repeated, with a pattern each",
    "--max-age": _FILTERS,
    "--max-size": _FILTERS,
    "--min-age": _FILTERS,
    "--min-size": _FILTERS,
    "--no-follow-symlinks": _LINKS,
    "--no-sign-request": "credentials=ANONYMOUS is for programs alone",
    "--no-verify-ssl": "AWS_CA_BUNDLE names certificates to trust",
    "--request-payer": "requester_pays = true of the store in cipherbucket.toml",
    "--size-only": "two files may have one size; --skip-existing, or sync --checksum",
    "--versions": _ONE_VERSION,
    "-L": _LINKS,
    "-m": _UPLOADS,
}
"""Options of others that a command does not have, and what is done instead."""

OVERWRITES = "what is there is replaced without asking"
"""Why ``cp``, ``mv`` and ``sync`` have no ``-f``."""
COMPARES = "it copies what is missing, newer or differs in size; cp has this option"
"""Why ``sync`` has no ``-u`` and no ``--skip-existing``."""
