"""Master keys that Alibaba Cloud KMS holds: each use is a call to it.

Rule: everything that knows this service is here: its settings, its SDK and HTTP, its answers, the
key. A data key crosses the network inside TLS, in the body of a request, and nowhere else. It
imports what `keys` may, and the SDK only when a key is used (the extra ``kms``). Another service
gets a folder beside this one; another kind of key of this service, a module beside `key`.
"""
