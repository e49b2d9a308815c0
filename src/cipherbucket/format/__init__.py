"""The formats of encrypted objects: bytes and metadata to envelopes and ciphers, and back.

Rule: everything here is pure. Nothing reads a file, a clock or the network, and what a store wrote
is parsed as hostile input. It imports `errors`, `cryptography`, `fastcrc` and `awscrt` alone.
docs/format.md is the contract: what is parsed encodes to the same bytes again. A further format
gets its metadata names in `metadata_names`, its fields in `envelope`, its cipher in a module of its
own that offers what `cipher` asks for, beside `ctr` and `sealed`.
"""
