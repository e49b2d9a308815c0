"""What people type who know aws s3, ossutil or rclone, and what it is called here.

Rule: an answer names what to write instead, or says why nothing has to be. All of it is in
docs/command.md, too.
"""

from __future__ import annotations

COMMANDS = {
    "copy": "cp",
    "del": "rm",
    "delete": "rm",
    "get": "cp",
    "head": "stat",
    "help": "--help",
    "info": "stat",
    "list": "ls",
    "lsd": "ls",
    "move": "mv",
    "put": "cp",
    "remove": "rm",
    "rename": "mv",
    "sign": "presign",
    "size": "du",
    "upload": "cp",
    "download": "cp",
}
"""Commands of others, and ours."""

EXPLAINED_COMMANDS = {
    "mkdir": "folders need not be made; mb makes a directory store",
    "rb": "buckets are removed with ossutil or the console",
    "set-acl": "an object gets its ACL when it is written, by cp --acl",
}

OPTIONS = {
    "--acl-public": "--acl",
    "--all-versions": "--versions",
    "--bandwidth-limit": "--limit-rate",
    "--bwlimit": "--limit-rate",
    "--dryrun": "--dry-run",
    "--forbid-overwrite": "--if-absent",
    "--ignore-existing": "--skip-existing",
    "--jobs": "--workers",
    "--no-overwrite": "--skip-existing",
    "--only-show-errors": "--quiet",
    "--parallel": "--workers",
    "--sse": "--server-side-encryption",
    "--summarize": "--total",
    "--tagging": "--tag",
    "--transfers": "--workers",
    "-c": "--checksum",
    "-j": "--workers",
    "-P": "--progress",
    "-R": "-r",
}
"""Options of others, and ours; an answer only where the command has it."""

EXPLAINED_OPTIONS = {
    "--endpoint-url": "--endpoint goes before the command",
    "--exact-timestamps": "sync gives a file its object's time",
    "--follow-symlinks": "links to files are followed, links to folders never",
    "--no-follow-symlinks": "links to files are followed, links to folders never",
    "--size-only": "two files may have one size; --skip-existing, or sync --checksum",
    "-L": "links to files are followed, links to folders never",
}
OVERWRITES = "what is there is replaced without asking"
"""Why ``cp``, ``mv`` and ``sync`` have no ``-f``."""
COMPARES = "it copies what is missing, newer or differs in size; cp has this option"
"""Why ``sync`` has no ``-u`` and no ``--skip-existing``."""
