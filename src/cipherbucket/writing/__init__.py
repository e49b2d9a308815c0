"""One object on its way into a store: read, sealed, encrypted, sent, and sent again.

Rule: the same key and counter never see two plaintexts: what is sent again is the same ciphertext,
or a new seal of a source that can be read again, or an error. Imports ``reading`` and everything
before it. `source.py` is the plaintext, `destination.py` where it goes, `ciphertext.py` turns one
into the other; `one_request.py`, `part_requests.py` and `unknown_length.py` send it, and `put.py`
chooses among them. Another way to hand over a body is a branch of `Source`; every request of an
upload in parts stands in `part_requests.py`.
"""
