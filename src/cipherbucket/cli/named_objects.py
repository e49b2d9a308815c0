"""The objects that a URL names, for commands that read one after the other.

Rule: a pattern is listed, by a store that is opened without keys; a name is taken as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from cipherbucket.cli.copying.sources import objects_at
from cipherbucket.cli.options.config import open_without_keys
from cipherbucket.cli.options.parsing import split_object_url
from cipherbucket.cli.options.wildcards import has_wildcards, literal_name


def object_names(url: str, version_id: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield store and name of the object that is meant, or in order of those that fit a pattern.

    Args:
        url: Of the object, or the pattern.
        version_id: Which version is meant, if it is one; then there can be no pattern.

    Raises:
        UsageError: It could be a name and a pattern, or it is the URL of a store.
        ObjectNotFoundError: Nothing fits the pattern.
    """
    store_url, written = split_object_url(url)
    if version_id is not None or not has_wildcards(written):
        yield store_url, literal_name(written)
        return
    with open_without_keys(store_url) as bucket:
        meant = objects_at(url, bucket, recursive=False)
        meant.refuse_missing(bucket)
        for item in meant.items(bucket):
            yield store_url, meant.name_of(item)
