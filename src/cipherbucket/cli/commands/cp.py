"""``cp``: files, pipes, folders and objects, in every direction that ends or begins at a store."""

from __future__ import annotations

import click

from cipherbucket.cli.copying.command import CopyCommand
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.choosing import Choosing, choosing_options
from cipherbucket.cli.options.copying import CopyOptions, copy_options
from cipherbucket.cli.options.globs import COPY_GLOBS, GlobCommand
from cipherbucket.cli.options.parsing import byte_size, complete_files
from cipherbucket.cli.options.passes import VERSION_ID
from cipherbucket.cli.options.writing import WriteOptions, write_options


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket cp -k cmk.pem report.pdf file:///data/store/reports/",
        "cipherbucket cp -k cmk.pem file:///data/store/reports/report.pdf .",
        "tar c photos | cipherbucket cp -k cmk.pem - file:///data/store/photos.tar",
        "cipherbucket cp -k cmk.pem file:///data/store/photos.tar - | tar t",
        "cipherbucket cp -k cmk.pem -r photos file:///data/store/photos/",
        "cipherbucket cp -k cmk.pem -r --exclude '*.tmp' photos oss://bucket/photos/",
        "cipherbucket cp -k cmk.pem --workers 8 --limit-rate 20M disk.img oss://bucket/",
        "cipherbucket cp -r oss://bucket/ file:///data/mirror/",
        "cipherbucket cp --version-id CAEQ... oss://bucket/a.txt oss://bucket/a.txt",
        "cipherbucket cp --format oss -k new.pem -k old.pem -r oss://old/ oss://new/",
        "cipherbucket cp -k vault.key --recipient recovery.pub a.txt oss://bucket/",
        "cipherbucket cp -k k.pem --format sealed --accept oss -r oss://old/ oss://new/",
    ),
)
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@click.argument("target", shell_complete=complete_files)
@click.option(
    "--size",
    metavar="SIZE",
    callback=byte_size,
    help="How many bytes come from stdin, exactly: then format oss needs no temporary file.",
)
@VERSION_ID
@choosing_options
@COPY_GLOBS
@copy_options
@access_options(reads=True, writes=True)
@write_options
def cp(
    sources: tuple[str, ...],
    target: str,
    size: int | None,
    version_id: str | None,
    choosing: Choosing,
    access: AccessOptions,
    writing: WriteOptions,
    options: CopyOptions,
) -> int:
    r"""Copy each SOURCE to TARGET; one side is a URL, '-' is stdin or stdout.

    A URL that ends in '/' takes the file's name, a folder takes the last part of the object's
    name. Folders that are missing are made. Files and objects appear whole or not at all; only what
    goes to stdout is written as it comes and checked for damage at its end: look at the exit code.
    /dev/stdin and /dev/fd/N are used as they are open, as '-' is; what is closed is an error and
    never an empty file.

    A new file gets the permissions that the umask leaves, or --mode; one of yours that is replaced
    keeps its own. Links on the path that you name are followed if they are yours or root's; through
    a link of another user nothing is written.

    Above 16 MiB, files are moved in parts, several at once. What was interrupted, also by the end
    of the process, goes on when the same command is run again, and says so; what was sent is
    compared first. 'cipherbucket transfers' lists what was not resumed.

    With several sources TARGET is a folder or a prefix, and each keeps the last part of its name.
    In the URL of a SOURCE, in quotes, '*' and '?' stand for anything but '/', and '**' for
    anything; '\*', '\?' and '\\' in such a name are the characters themselves. What fits keeps its
    name below the last '/' before the first wildcard: 'logs/*/a' gives 1/a, 2/a. Where a pattern is
    also the name of an object and fits others, nothing is copied. TARGET is taken as it is written.

    With -r both are folders: names are taken relative to SOURCE. All is copied, unless --update,
    --skip-existing or patterns say otherwise. A copy that was interrupted, or that failed in part,
    goes on when the same command is run again: what it has copied is left out if both the source
    and the copy are still the same. --no-resume copies all again. GLOB is compared with the whole
    name below SOURCE; '*' fits '/', too. In a folder links to files are
    followed; links of other users, links to folders, devices, pipes and sockets are left out, and
    so are empty folders. Modes and times of files are not kept; a pipe from tar keeps them. Objects
    whose names would lead out of the target folder are refused, and no link in it is followed,
    whoever makes one meanwhile. Several files are copied at once. What fails is shown at the end
    and stops nothing else. The exit code is 1 then, and 3 if SOURCE is a URL that no object's name
    begins with.

    Files that this command itself uses are never replaced: its keys, with FILE.pub and FILE.json,
    its cipherbucket.toml and its journals. Its private keys are left out, with a note, unless
    one is the only SOURCE.

    From one store to another, ciphertext and envelope are moved unchanged and compared; it needs
    no key, and who could read the object can read the copy. With --format, --force-key,
    --metadata, --content-type, --context, --recipient or --no-bind-name, objects are decrypted and
    encrypted anew, for the first key and those of --recipient; --context is then that of source
    and target. Within one store --format and --context change nothing in that.

    With --version-id an old version is copied, to a file or to any URL. To its own URL it is
    brought back: as it is stored, without a key, and as the newest version. --dry-run shows that
    there is such a version, and what it would become.

    ACL, tags, storage class and server-side encryption stay behind: an object that is written to
    OSS or S3 has those of --acl, --tag and the like, or what its bucket gives it.

    An object that is sealed under its name and gets another is sealed anew, which takes its key:
    within one store for all its recipients, in another for the first key and those of --recipient.
    """
    return CopyCommand(sources, target, choosing, access, writing, options).run(size, version_id)
