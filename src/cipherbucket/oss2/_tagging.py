"""Tags of objects."""

from __future__ import annotations

from urllib.parse import quote

from cipherbucket.oss2.exceptions import ClientError

_MAX_KEY, _MAX_VALUE = 128, 256
"""In characters (OSS, "Object tagging")."""


class TaggingRule:
    """A set of tags.

    Attributes:
        tagging_rule: The values by key.
    """

    def __init__(self) -> None:
        self.tagging_rule: dict[str, str] = {}

    def add(self, key: str, value: str) -> None:
        """Add one.

        Raises:
            ClientError: The key is empty, or one of the two too long.
        """
        if not key:
            raise ClientError("the key of a tag is empty")
        if len(key) > _MAX_KEY:
            raise ClientError(f"the key of a tag has more than {_MAX_KEY} characters")
        if len(value) > _MAX_VALUE:
            raise ClientError(f"the value of a tag has more than {_MAX_VALUE} characters")
        self.tagging_rule[key] = value

    def delete(self, key: str) -> None:
        """Remove one.

        Raises:
            KeyError: It is not there.
        """
        del self.tagging_rule[key]

    def len(self) -> int:
        """Return how many there are."""
        return len(self.tagging_rule)

    def to_query_string(self) -> str:
        """Return them as the header ``x-oss-tagging`` takes them."""
        return "&".join(f"{quote(key)}={quote(value)}" for key, value in self.tagging_rule.items())


class Tagging:
    """The tags of an object.

    Attributes:
        tag_set: The tags.
    """

    def __init__(self, tagging_rules: TaggingRule | None = None) -> None:
        self.tag_set = tagging_rules or TaggingRule()

    def __str__(self) -> str:
        return "".join(f"{key}#{value} " for key, value in self.tag_set.tagging_rule.items())
