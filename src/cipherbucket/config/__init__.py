"""``cipherbucket.toml``: stores and keys by name, and rules for which key writes and reads where.

Rule: nothing is decided here that the packages below do not offer; the file only names what they
are given. Every refusal carries the file, the line and what is allowed. `finding` decides which
file is used, and `trust` remembers what the user said of it. All packages but `oss2`, `server` and
`cli` may be imported.

A new setting is one line in the ``SETTINGS`` of `stores`, `keys` or `rules`, with a check from
`checks`, and a row in ``docs/config.md``. A new kind of key is an entry in ``keys.SETTINGS`` and a
case in `loading`. What a rule forbids in an open bucket is decided in `guard`.
"""
