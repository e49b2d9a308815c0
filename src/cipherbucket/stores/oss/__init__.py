"""Alibaba Cloud OSS as a store, on the official SDK over our own HTTP.

Rule: `client` sends every request and `errors` translates every failure; what comes back is input
and is checked (`headers`, `listing`). `store.OssStore` is flat: its methods call functions that
take the client, in `listing`, `multipart`, `attributes` and `copying`. It imports what `stores`
may, the SDK and urllib3 (the extra ``oss``); `settings` needs neither. A further operation of OSS
is a function in the module of its kind; another service is another folder.
"""
