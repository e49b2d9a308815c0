"""User metadata in headers: encoded words."""

from __future__ import annotations

import pytest

from cipherbucket.stores.s3.header_text import from_header, to_header


@pytest.mark.parametrize("text", ["a b", "vü", "=?UTF-8?B?w7w=?=", "x =?a?q?b?= y", ""])
def test_what_is_written_is_read_back(text: str) -> None:
    assert from_header(to_header(text)) == text
    assert to_header(text).isascii()


@pytest.mark.parametrize("word", ["=?UTF-8?B?DQo=?=", "=?UTF-8?Q?=1B[2J?=", "=?punycode?Q?a?="])
def test_control_characters_do_not_come_in_encoded_words(word: str) -> None:
    assert from_header(word) == word
