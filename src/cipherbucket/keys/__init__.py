"""Master keys, which wrap data keys, and the ring that a bucket finds them in.

Rule: a key owns its wrap algorithms; nobody else knows how it wraps. No secret is in a repr, an
error or a pickle, and all failures to unwrap look alike (`base.does_not_open`). A key imports
`errors`, `credentials` and `format`, never a store.

A further kind of key implements `MasterKey` (see `base`) and passes `check_master_key` (see
`conformance`). One that needs no service is a module here, beside `rsa` and `aes`; one that a
service holds is a folder of its own, as `kms/` is: a key in HashiCorp Vault goes to ``vault/``.
`remote_calls` serves any key that says it is remote.
"""
