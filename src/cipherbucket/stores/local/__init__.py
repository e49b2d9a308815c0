"""A directory of one host as a store, safe against crashes and shared by processes.

Rule: `index` says what there is, `files` holds the bytes, `locks` says who is at work; `uploads`
keeps unfinished ones, `recovery` finishes or undoes what dead processes left, `repair` rebuilds an
index. It imports what `stores` may, and the standard library alone. A new kind of record is a table
of `index`, and whatever lets `repair` find it again without the index.
"""
