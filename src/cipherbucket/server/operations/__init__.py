"""What requests do with buckets and objects, one function an operation of OSS.

Rule: an operation is a plain function from a `Call` to an `Answer`; it runs in a thread, raises
`OssError` and knows no HTTP server. It may import the modules of `cipherbucket.server` itself, not
``http_api``. A further operation goes into the module of what it is about, and into ``routes``.
"""
