"""The HTTP API of OSS: from a request on a socket to an operation, and its answer back.

Rule: signatures, addresses and the choice of an operation are here; what an operation does is in
`cipherbucket.server.operations`. A further operation is a function there and a row in `routes`; a
subresource that OSS signs and that is no row is answered as not implemented. A further protocol
gets modules of its own beside these, and the same operations.
"""
