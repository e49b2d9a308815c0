"""One object on its way out of a store: fetched, unlocked, decrypted, checked.

Rule: the envelope comes from the response that brings the body, and nothing unauthenticated leaves
a sealed object. Imports ``envelopes`` and everything before it, and writes nothing. `unlock.py`
goes from an answer to a cipher, `decryption.py` from ciphertext to plaintext, `stream.py` and
`file.py` are what a caller reads. Another way to read, such as an asynchronous one, is a module
beside `stream.py` over the same `unlock` and `decryption`; a new kind of body is a class of
`decryption.py`.
"""
