"""A directory of one host as a store, safe against crashes and shared by processes.

Rule: `index` says what there is, `files` holds the bytes, `locks` says who is at work; `uploads`
keeps unfinished ones, `recovery` finishes or undoes what dead processes left, `repair` rebuilds an
index. Nothing in the folder is believed: `folders` opens what lies in it, through no link, `tables`
and `rows` check what the index says, `trust` says whether it may be written, `snapshot` reads an
index that must not be, and `room` keeps a full disk from stopping more than it has to.

It imports what `stores` may, and the standard library alone. A new kind of record is a table of
`tables`, and whatever lets `repair` find it again without the index.
"""
