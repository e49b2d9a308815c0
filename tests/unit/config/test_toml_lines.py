"""Where each name of a TOML document stands, compared with what ``tomllib`` reads."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cipherbucket.config.toml_lines import Path, line_of, lines_of

DOCUMENT = '''\
# a comment = "no name"
top = 1
[stores.records]
url = "oss://a"  # [not.a.table]
"quoted \\" name".'lit.eral' = 1979-05-27 07:32:00

[keys."cmk.2026"]
rsa = """
[inside.a.string]
five = 5 """""
aes = \'\'\'
x = 1\'\'\'
inline = { a = 1, "b c" = { d = [ { e = "]" }, 2.5 ] } }
many = [
  "one", # ]
  [true,
   'two'],
]

[[rules]]
at = "x"
[rules.policy]
deep.er = inf
[[rules]]

at = "y"
  [[rules.below]]
  a = 1
  [[rules.below]]
  a = 2
'''

EXPECTED: dict[Path, int] = {
    ("top",): 2,
    ("stores", "records"): 3,
    ("stores", "records", "url"): 4,
    ("stores", "records", 'quoted " name', "lit.eral"): 5,
    ("keys", "cmk.2026", "rsa"): 8,
    ("keys", "cmk.2026", "aes"): 11,
    ("keys", "cmk.2026", "inline", "b c", "d", 0, "e"): 13,
    ("keys", "cmk.2026", "many"): 14,
    ("keys", "cmk.2026", "many", 0): 15,
    ("keys", "cmk.2026", "many", 1, 1): 17,
    ("rules", 0): 20,
    ("rules", 0, "at"): 21,
    ("rules", 0, "policy", "deep", "er"): 23,
    ("rules", 1): 24,
    ("rules", 1, "at"): 26,
    ("rules", 1, "below", 1, "a"): 30,
}


def paths_in(value: Any, path: Path = ()) -> set[Path]:
    found = {path} if path else set()
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        found.add((*path, name))
        if isinstance(part, dict | list):
            found |= paths_in(part, (*path, name))
    return found


def test_every_kind_of_name_is_found_on_its_line() -> None:
    lines = lines_of(DOCUMENT)
    assert {path: lines.get(path) for path in EXPECTED} == EXPECTED
    assert set(lines) == paths_in(tomllib.loads(DOCUMENT))
    assert line_of(lines, ("rules", 1, "missing", "name")) == 24
    assert line_of(lines, ("missing",)) == 1


def test_windows_line_ends_count_alike() -> None:
    assert lines_of(DOCUMENT.replace("\n", "\r\n")) == lines_of(DOCUMENT)


def quoted(text: str) -> str:
    escaped = "".join(c if c.isalnum() or c in " -_[]{}=,.#'" else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
leaves = st.one_of(texts.map(quoted), st.integers(0, 99).map(str), st.just("true"))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[\n" + ", # ]\n".join(each) + "\n]"),
        st.dictionaries(texts, inner.filter(lambda v: "\n" not in v), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{quoted(n)} = {v}" for n, v in pairs.items()) + "}"
        ),
    ),
    max_leaves=6,
)
tables = st.dictionaries(texts, values, max_size=4)


@given(st.dictionaries(texts, tables, max_size=3), st.lists(tables, max_size=3), st.integers(0, 2))
def test_of_any_document_every_name_is_found(
    named: dict[str, dict[str, str]], many: list[dict[str, str]], blank: int
) -> None:
    text = ""
    wanted: dict[Path, int] = {}
    for table, pairs in named.items():
        text += "\n" * blank + f"[{quoted(table)}]\n"
        wanted[table,] = text.count("\n")
        for name, value in pairs.items():
            wanted[table, name] = text.count("\n") + 1
            text += f"{quoted(name)} = {value} # x = {{\n"
    for number, pairs in enumerate(many):
        text += '[["many".x]]\n'
        for name, value in pairs.items():
            wanted["many", "x", number, name] = text.count("\n") + 1
            text += f"{quoted(name)}={value}\n"
    if "many" in named:
        return
    lines = lines_of(text)
    assert set(lines) == paths_in(tomllib.loads(text))
    assert {path: lines[path] for path in wanted} == wanted
