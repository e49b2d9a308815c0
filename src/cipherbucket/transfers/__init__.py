"""Files to objects and back: in parts, several at once, resumable after a crash.

Rule: a download appears wholly or not at all, an upload is resumed only with the same ciphertext,
and a journal holds no secret. Imports ``objects`` and everything before it. `files.py` chooses
between one request and parts; `upload.py` and `download.py` do the parts, `journal.py` remembers
them.
"""
