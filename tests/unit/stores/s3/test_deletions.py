"""What proves that S3 deleted something: the status that says so, and no other."""

from __future__ import annotations

import pytest
from tests.support.scripted_http import Answer, Request, scripted

from cipherbucket.credentials import Credentials
from cipherbucket.errors import StoreError
from cipherbucket.stores.s3.settings import S3Settings
from cipherbucket.stores.s3.store import S3Store


@pytest.mark.parametrize("verb", ["delete", "abort_upload"])
@pytest.mark.parametrize("status", [200, 204])
def test_only_no_content_is_an_answer_to_a_deletion(verb: str, status: int) -> None:
    def answer(_: Request) -> Answer:
        return Answer(status)

    with scripted(answer) as server:
        settings = S3Settings(
            endpoint=server.url,
            region="us-east-1",
            credentials=Credentials("id", "secret"),
            addressing="path",
        )
        with S3Store("bucket", settings) as store:

            def deleted() -> None:
                store.delete("a") if verb == "delete" else store.abort_upload("a", "upload")

            if status == 204:
                deleted()
                return
            with pytest.raises(StoreError, match="is no answer to"):
                deleted()
