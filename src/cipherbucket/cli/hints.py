"""The library's hints, which speak of Python, turned into options.

A hint that names an argument of Python and is not here would reach users of the command line as it
is: whoever writes one in the library adds its line to `_OPTIONS`, the longer ones first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OPTIONS = (
    (
        "if it should be plaintext, open with policy=Policy(plaintext=True); if not,",
        (
            "if it was sealed and lost its metadata, 'cipherbucket repair URL' gives them back;"
            " if it should be plaintext, read it with --plaintext; if neither,"
        ),
    ),
    (
        "give each key a description of its own",
        "give each key a description of its own, in FILE.json beside it, or in cipherbucket.toml",
    ),
    (
        "read it with policy=Policy(unbound_names=True)",
        "read it with --accept unbound, or unbound_names = true in its rule",
    ),
    (
        "open the bucket with policy=Policy(unbound_names=True)",
        "add --accept unbound, or unbound_names = true to its rule",
    ),
    (
        "or give the description: description={...}, which may be empty",
        "or say --description NAME=VALUE, or --no-description if it has none",
    ),
    ("or name it in load_config(path)", "or go without: --no-config"),
    ("or say allow_weak=True", "or say --allow-weak-key"),
    ("bucket.head(name).envelope.recipients lists them", "cipherbucket recipients list URL"),
    ("bucket.versions(name) lists them", "cipherbucket ls --versions URL lists them"),
    ("restore it: bucket.restore(name)", "restore it: cipherbucket restore URL"),
    ("give passphrase=, or set", "answer the question on a terminal, or set"),
    ("read the object with key=", "read the object with --force-key KEY"),
    ("read with key=", "read with --force-key KEY"),
    (
        "add the key with this description",
        "add the key with this description by -k KEY; of a file, with FILE.json beside it",
    ),
    ("try key= with the right one", "try --force-key KEY with the right one"),
    (
        "give it description={...}",
        "if FILE.json was beside the key, put it back; give new keys one with keygen",
    ),
    (
        "add its public half to the keys, or say whom it is for: recipients=[...]",
        (
            "add its public half with -k KEY, or say whom the new one is for: --recipient KEY;"
            " if it is to read no more, name the others so, or remove it first: cipherbucket"
            " rotate --only KEY"
        ),
    ),
    (
        "leave out context=, or read only sealed objects: format='sealed'",
        "if it should be sealed, someone replaced it; if not, leave out --context",
    ),
    ("; or say trusted=True, where nobody else can write its files", ""),
    ("the same objects, say so: of=", "the same objects, say so: --inventory-of "),
    (
        "what came back is in the ledger; run the same again, with a new executor, to go on",
        "what is done stays done; run the same command again to go on",
    ),
    ("leave out context=", "leave out --context"),
    ("leave out as_name=", "leave out --as-name"),
    ("put it again with format='sealed'", "write it again with --format sealed"),
    (
        "look at bucket.head(name) and do again what is missing",
        "look at it, with cipherbucket stat URL, and do again what is missing",
    ),
    ("check endpoint= and ", "check --endpoint and "),
    (", proxy= and HTTPS_PROXY", ", and HTTPS_PROXY"),
    (
        "check the AWS_ variables, the profile, or what credentials= was given",
        "check the AWS_ variables and the profile",
    ),
    (
        "set OSS_REGION or give region=; signature='v1' needs none",
        "set OSS_REGION, or give --region before the command",
    ),
    (
        "give the pairs it was written with: context={...}",
        "give the pairs it was written with: --context NAME=VALUE",
    ),
    (
        "give the very pairs that it was written with: context={...}",
        "give the very pairs that it was written with: --context NAME=VALUE",
    ),
    ("read it with as_name=", "read it with --as-name NAME"),
    ("open the bucket with format='sealed'", "add --format sealed"),
    (
        "reencrypt with kinds=['plaintext'] encrypts it",
        "cipherbucket reencrypt --kind plaintext encrypts it",
    ),
    (
        "reencrypt with kinds=['oss-v1'] writes it anew",
        "cipherbucket reencrypt --kind oss-v1 writes it anew",
    ),
    ('use format="sealed"', "use --format sealed"),
)

_NEW_KEY = re.compile(r"(name one more that writes format \S+): to=\[\.\.\.\]")
_KINDS = re.compile(r"\bkinds=\['([a-z0-9-]+)'\]")
_PART_SIZE = re.compile(r"\bpart_size=(\d+) does")
_FORMAT = re.compile(
    r"(the object has format (\S+), this bucket accepts [^()]*) \(name the format in"
    r" policy=Policy\(formats=\.\.\.\)\)"
)


def in_options(text: str) -> str:
    """Turn the hints of the library, which speak of Python, into options."""
    for python, option in _OPTIONS:
        text = text.replace(python, option)
    text = _NEW_KEY.sub(r"\1, with --to KEY", text)
    text = _KINDS.sub(r"--kind \1", text)
    text = _PART_SIZE.sub(r"--part-size \1 does", text)
    return _FORMAT.sub(_naming_the_option, text)


def reasons_in_options(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the reasons in what is written as JSON into options, wherever they stand in it."""
    turned = dict(facts)
    for name, value in facts.items():
        if name == "reason" and value is not None:
            turned[name] = in_options(value)
        elif name == "reasons" and isinstance(value, Mapping):
            turned[name] = {in_options(reason): number for reason, number in value.items()}
        elif isinstance(value, list):
            turned[name] = [
                reasons_in_options(each) if isinstance(each, Mapping) else each for each in value
            ]
    return turned


def _naming_the_option(refused: re.Match[str]) -> str:
    """Say how to read an object whose format was refused, and what may be behind it."""
    text, its = refused[1], refused[2]
    if its == "sealed":
        return f"{text} (read it with --format sealed, or beside others with --accept sealed)"
    return (
        f"{text} (if it should have this format, read it with --accept {its};"
        " if not, someone put it in a sealed object's place)"
    )
