"""XML is read up to bounds that no answer of OSS reaches; beyond them it costs no memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cipherbucket.stores.http.xml import Element

_ANSWER = b"<R><EncodingType>url</EncodingType><Key>a%2Fb</Key><Size>7</Size><E><K>1</K></E></R>"


def test_fields_are_read_by_type() -> None:
    root = Element.of(_ANSWER)
    assert (root.kind, root.name("Key"), root.number("Size")) == ("R", "a/b", 7)
    assert [item.text("K") for item in root.all("E")] == ["1"]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<R>",
        b"<R/><R/>",
        b"<!DOCTYPE R><R/>",
        b'<!DOCTYPE R [<!ENTITY e "x">]><R>&e;</R>',
        b"<R><!-- said twice --></R>",
        b"<R><![CDATA[x]]></R>",
        b"<R>&undefined;</R>",
        "<?xml version='1.0' encoding='utf-16'?><R/>".encode("utf-16"),
        b"<?xml version='1.0' encoding='cp037'?>" + "<!DOCTYPE R><R/>".encode("cp037"),
        b"<R>\xff</R>",
    ],
)
def test_what_is_more_than_elements_and_text_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"XML|document"):
        Element.of(document)


@pytest.mark.parametrize(
    "fields",
    [
        b"<Size>7</Size><Size>7</Size>",
        b"<Size>-7</Size>",
        b"<Size>7_0</Size>",
        b"<Size> 7</Size>",
        b"<Size>1000000000000000000</Size>",
        "<Size>٧</Size>".encode(),  # noqa: RUF001  a digit, and not one of ours
        b"<Size/>",
        b"",
    ],
)
def test_a_number_is_digits_and_there_once(fields: bytes) -> None:
    with pytest.raises(ValueError, match="Size"):
        Element.of(b"<R>" + fields + b"</R>").number("Size")
    item = b"<R><I>" + fields + b"</I></R>"
    with pytest.raises(ValueError, match=r"Size|I is there twice"):
        [each.number("Size") for each in Element.of(item).all("I")]


@pytest.mark.parametrize("name", [b"%FF", b"%C3%28", b"x" * 8193])
def test_a_name_that_is_none_is_refused(name: bytes) -> None:
    root = Element.of(_ANSWER.replace(b"a%2Fb", name))
    with pytest.raises(ValueError, match=r"utf-8|longer"):
        root.name("Key")


def test_a_name_that_may_be_encoded_or_not_is_refused() -> None:
    root = Element.of(b"<R><I><Key>a</Key></I><I><Key>a%2Fb</Key></I></R>")
    root.expect_encoding("url")
    plain, either = root.all("I")
    assert plain.name("Key") == "a"
    with pytest.raises(ValueError, match="encoded or not"):
        either.name("Key")
    unasked = Element.of(b"<R><EncodingType>url</EncodingType></R>")
    with pytest.raises(ValueError, match="not asked for"):
        unasked.expect_encoding("")


_HUGE = {
    "a text": b"<R>" + b"x" * (16 << 20) + b"</R>",
    "a long text": b"<R>" + b"x" * (7 << 20) + b"</R>",
    "a long name": b"<R><" + b"x" * (7 << 20) + b"/></R>",
    "a long attribute": b"<R a='" + b"x" * (7 << 20) + b"'/>",
    "lines": b"<R>" + b"\n" * (7 << 20) + b"</R>",
    "wide lines": b"<R>" + b"\n\xf0\x9f\x98\x80" * (1 << 20) + b"</R>",
    "elements": b"<R>" + b"<a/>" * (2 << 20) + b"</R>",
    "entries": b"<R>" + b"<Contents><Key>k</Key></Contents>" * (200 << 10) + b"</R>",
    "attributes": b"<R" + b"".join(b' a%d=""' % n for n in range(500_000)) + b"/>",
    "nested": b"<a>" * (1 << 20),
    "references": b"<R>" + b"&#65;" * (1 << 20) + b"</R>",
    "wide text": (b"<R>" + (b"<k>" + b"x" * 60_000 + b"\xf0\x9f\x98\x80</k>") * 130 + b"</R>"),
}
_CHILD = """
import resource, sys
from cipherbucket.stores.http.xml import Element
answer = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Element.of(answer)
except ValueError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", _HUGE)
def test_a_huge_document_costs_little_memory(kind: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _CHILD], input=_HUGE[kind], capture_output=True, check=True
    )
    most = 1 if "long" in kind else 44
    assert int(child.stdout) < most << 10  # KiB, beside the answer itself


def test_names_of_elements_are_those_without_the_namespace_of_the_document() -> None:
    space = b' xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"'
    root = Element.of(_ANSWER.replace(b"<R>", b"<R" + space + b">"))
    assert (root.kind, root.name("Key"), root.number("Size")) == ("R", "a/b", 7)
    assert [item.text("K") for item in root.all("E")] == ["1"]


def test_how_names_travel_is_said_once() -> None:
    twice = _ANSWER.replace(b"<Key>", b"<EncodingType></EncodingType><Key>")
    with pytest.raises(ValueError, match="EncodingType is there twice"):
        Element.of(twice)
