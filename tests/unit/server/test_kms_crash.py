"""A KMS endpoint that is killed keeps every key that it told of, and starts again."""

import random
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.counts import count
from tests.support.kms_client import KmsClient

from cipherbucket.server.kms import KmsEndpoint

CHILD = """
import sys
from tests.support.kms_client import KmsClient
from cipherbucket.server.kms import KmsEndpoint
with KmsEndpoint(keys=sys.argv[1]) as kms:
    call = KmsClient(kms)
    while True:
        key = call("CreateKey")["KeyMetadata"]["KeyId"]
        call("CreateAlias", KeyId=key, AliasName=f"alias/{key}")
        print(key, call("Encrypt", KeyId=key, Plaintext="c2VjcmV0")["CiphertextBlob"], flush=True)
"""


def test_a_key_that_was_told_of_outlives_a_kill(tmp_path: Path) -> None:
    file, draw = tmp_path / "keys.sqlite", random.Random(4)
    told: dict[str, str] = {}
    for _ in range(count(20, 2)):
        command = [sys.executable, "-c", CHILD, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = [process.stdout.readline()]
            # At any moment of a call: in the middle of a commit, too.
            threading.Timer(draw.uniform(0, 0.05), process.kill).start()
            lines += process.stdout.readlines()
        told |= dict(line.split() for line in lines if line.endswith("\n"))
        assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    assert told
    with KmsEndpoint(keys=file) as kms:
        call = KmsClient(kms)
        for key, blob in told.items():
            assert kms.key_id(f"alias/{key}") == key
            assert call("Decrypt", CiphertextBlob=blob)["Plaintext"] == "c2VjcmV0"
        # Half a key, one without what it encrypts with, there is none.
        number = call("ListKeys", PageSize="1")["TotalCount"]
        for page in range(1, -(-number // 100) + 1):
            for each in call("ListKeys", PageNumber=str(page), PageSize="100")["Keys"]["Key"]:
                assert call("Encrypt", KeyId=each["KeyId"], Plaintext="c2VjcmV0").status == 200
