"""Descriptions: compared as mappings, kept as texts."""

import json
import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.errors import UsageError
from cipherbucket.format.description import Description

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
ENTRIES = st.dictionaries(TEXTS, TEXTS, max_size=5)


@pytest.mark.parametrize("value", [None, "", " ", "\n\t ", "{}", " { } ", {}])
def test_none_and_empty_are_one_and_the_same(value: Mapping[str, str] | str | None) -> None:
    description = Description(value)

    assert description == Description() == {}
    assert hash(description) == hash(Description())
    assert description.text == ""
    assert not description
    assert str(description) == "no description"


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"desc": "key-1"}, '{"desc":"key-1"}'),
        ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
        ({"B": "2", "a": "1"}, '{"B":"2","a":"1"}'),
        ({"a": "a/b<c>&d", "e": ""}, '{"a":"a/b<c>&d","e":""}'),
        ({"a": 'say "hi"\\'}, '{"a":"say \\"hi\\"\\\\"}'),
        ({"a": "\b\f\n\r\t\x00\x7f"}, '{"a":"\\b\\f\\n\\r\\t\\u0000\\u007f"}'),
        ({"é": "密"}, '{"\\u00e9":"\\u5bc6"}'),
        ({"a": "\U0001f511"}, '{"a":"\\ud83d\\udd11"}'),
        ({"": ""}, '{"":""}'),
    ],
)
def test_a_text_made_here_is_compact_sorted_ascii(entries: dict[str, str], text: str) -> None:
    assert Description(entries).text == text
    assert Description(text) == Description(entries)


@pytest.mark.parametrize(
    "text",
    [
        '{"b":"2","a":"1"}',
        '{ "a" : "1" , "b" : "2" }',
        '\n{"a":"1",\r\n\t"b":"2"}\n',
        '{"\\u0061":"1","b":"\\u0032"}',
    ],
)
def test_order_spaces_and_escapes_do_not_matter_and_the_text_is_kept(text: str) -> None:
    description = Description(text)

    assert description == Description({"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert hash(description) == hash(Description({"a": "1", "b": "2"}))
    assert description.text == text
    assert Description(description).text == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1"}, {"a": "2"}),
        ({"a": "1"}, {"A": "1"}),
        ({"a": "1"}, {"a": "1", "b": ""}),
        ({"a": "1"}, {"a": " 1"}),
        ({"a": "\u00e9"}, {"a": "e\u0301"}),
        ({"a": ""}, {}),
        ({"a": "\ufb01"}, {"a": "fi"}),
    ],
)
def test_what_differs_by_a_code_point_is_different(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert Description(one) != Description(other)
    assert Description(one) != other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("a", "not JSON"),
        ("{'a':'b'}", "not JSON"),
        ('{"a":"b"}{}', "not JSON"),
        ('{"a":"b",}', "not JSON"),
        ('\ufeff{"a":"b"}', "not JSON"),
        ('{"a":' + "9" * 5000 + "}", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"{}"', "not a JSON object"),
        ("NaN", "not a JSON object"),
        ('[["a","b"]]', "not a JSON object"),
        ('{"a":1}', "strings to strings"),
        ('{"a":null}', "strings to strings"),
        ('{"a":["b"]}', "strings to strings"),
        ('{"a":{}}', "strings to strings"),
        ('{"a":Infinity}', "strings to strings"),
        ('{"a":"1","a":"1"}', "name twice"),
        ('{"a":"1","\\u0061":"2"}', "name twice"),
        ('{"a":{"b":"1","b":"2"}}', "name twice"),
        ('{"a":"\\ud800"}', "surrogate"),
        ('{"\\udfff":"a"}', "surrogate"),
        ('{"a":"\ud800"}', "surrogate"),
        pytest.param("[" * 100_000, "too deeply", id="lists nested deeply"),
        pytest.param('{"a":' * 100_000, "too deeply", id="objects nested deeply"),
    ],
)
def test_what_is_no_object_of_strings_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Description(text)


@pytest.mark.parametrize(
    "entries", [{"a": 1}, {1: "a"}, {"a": None}, {"a": b"b"}, {"a": "\ud800"}, {"\udc00": "a"}]
)
def test_a_mapping_of_anything_but_strings_is_refused(entries: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Description(entries)


def test_a_description_does_not_change_with_the_mapping_it_was_made_of() -> None:
    entries = {"a": "1"}
    description = Description(entries)

    entries["a"] = "2"

    assert description == {"a": "1"}
    assert list(description) == ["a"]
    assert len(description) == 1
    assert description["a"] == "1"
    assert repr(description) == 'Description(\'{"a":"1"}\')'
    assert str(description) == '{"a":"1"}'


@given(entries=ENTRIES)
def test_a_text_made_here_says_what_it_was_made_of(entries: dict[str, str]) -> None:
    text = Description(entries).text

    assert json.loads(text or "{}") == entries
    assert text.isascii()
    assert Description(text) == entries


@given(entries=ENTRIES, seed=st.integers(0, 2**32), spaced=st.booleans(), ascii_only=st.booleans())
def test_any_order_and_spacing_is_the_same_description(
    entries: dict[str, str], seed: int, spaced: bool, ascii_only: bool
) -> None:
    items = list(entries.items())
    random.Random(seed).shuffle(items)
    text = json.dumps(dict(items), indent=2 if spaced else None, ensure_ascii=ascii_only)

    assert Description(text) == Description(entries)
    assert hash(Description(text)) == hash(Description(entries))
