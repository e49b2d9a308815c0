"""An OSS whose operator says of each object what harms a copy of it elsewhere."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from tests.support.oss_rewriting import CONTENT, OF_THE_PLACE
from tests.support.scripted_http import Answer, Request
from tests.support.sealed_buckets import body_of

import cipherbucket as cb

ACL = (
    b"<AccessControlPolicy><AccessControlList><Grant>%s</Grant></AccessControlList>"
    b"</AccessControlPolicy>"
)
TAGS = b"<Tagging><TagSet><Tag><Key>team</Key><Value>theirs</Value></Tag></TagSet></Tagging>"


class Hostile:
    """Serves the objects of ``store`` as the bucket ``origin``: public, tagged, in class IA."""

    def __init__(self) -> None:
        self.store = cb.MemoryStore()

    def __call__(self, request: Request) -> Answer:
        url = urlsplit(request.target)
        if "tagging" in url.query:
            return Answer(body=TAGS)
        if url.query.startswith("acl"):
            return Answer(body=ACL % b"public-read-write")
        if "list-type" in url.query:
            return Answer(body=self._listing())
        name = unquote(url.path).removeprefix("/origin/")
        stored, body = self.store.head(name), body_of(self.store, name)
        headers = {
            "etag": f'"{stored.etag}"',
            "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
            "x-oss-tagging-count": "1",
            **CONTENT,
            **OF_THE_PLACE,
            **{f"x-oss-meta-{key}": text for key, text in stored.metadata.items()},
        }
        wanted = request.headers.get("range", "").removeprefix("bytes=")
        if wanted and request.method == "GET":
            first, last = wanted.split("-")
            start = int(first) if first else len(body) - int(last)
            stop = min(len(body), int(last) + 1) if first and last else len(body)
            headers["content-range"] = f"bytes {start}-{stop - 1}/{len(body)}"
            return Answer(206, headers, body[start:stop])
        return Answer(200, headers, body)

    def _listing(self) -> bytes:
        keys = "".join(
            f"<Contents><Key>{entry.name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{entry.etag}"</ETag><Size>{entry.size}</Size></Contents>'
            for entry in self.store.list().entries
        )
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>".encode()
        )


def settings_of(url: str) -> cb.OssSettings:
    credentials = cb.Credentials("ak", "sk")
    return cb.OssSettings(
        region="cn-hangzhou", endpoint=url, addressing="path", credentials=credentials
    )
