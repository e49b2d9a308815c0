"""References to buckets: they travel between processes, and nothing secret travels with them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.forked import in_child

import cipherbucket as cb
from cipherbucket.stores.base import Store
from cipherbucket.stores.urls import open_store

PASSPHRASE = "correct horse battery"


def read(reference: cb.BucketReference, name: str) -> tuple[bytes, int, bool]:
    """Read an object in a process of its own."""
    again = pickle.loads(pickle.dumps(reference))
    same = again.open() is reference.open()
    return reference.open().get(name).read(), os.getpid(), same


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cb.create_rsa_key_file(tmp_path / "k.pem", description={"desc": "k"}, bits=2048)
    cb.make_bucket(f"file://{tmp_path}/store")
    return tmp_path


@pytest.fixture
def reference(folder: Path) -> cb.BucketReference:
    return cb.BucketReference(f"file://{folder}/store", folder / "k.pem")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_reference_opens_the_bucket_once_in_each_process(
    reference: cb.BucketReference, method: str
) -> None:
    reference.open().put("a", b"data")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        seen = [pool.submit(read, reference, "a").result() for _ in range(2)]
    assert seen[0] == seen[1] == (b"data", seen[0][1], True)
    assert seen[0][1] != os.getpid()
    assert reference.open() is reference.open()


@pytest.mark.parametrize("configured", [False, True])
def test_a_process_forked_while_a_bucket_is_opened_opens_its_own(
    folder: Path, config: Path, configured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = cb.load_config(config)
    other = cb.BucketReference(f"file://{folder}/store", folder / "k.pem")
    opening, forked = threading.Event(), threading.Event()

    def slow(url: str, *arguments: Any, **options: Any) -> Store:
        if not opening.is_set():
            opening.set()
            forked.wait(30)
        return open_store(url, *arguments, **options)

    def open_it() -> None:
        loaded.bucket("records") if configured else other.open()

    def in_the_child() -> None:
        signal.alarm(20)
        open_it()

    monkeypatch.setattr("cipherbucket.opening.open_store", slow)
    monkeypatch.setattr("cipherbucket.config.config.open_store", slow)
    thread = threading.Thread(target=open_it)
    thread.start()
    opening.wait(30)
    assert in_child(in_the_child) == 0
    forked.set()
    thread.join()


def test_a_pickle_holds_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cb.create_rsa_key_file(
        folder / "e.pem", description={"desc": "e"}, bits=2048, passphrase=PASSPHRASE
    )
    cb.create_aes_key_file(folder / "a.key", description={"desc": "a"})
    secrets = ["the access key id", "the access key secret", "the session token"]
    variables = ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"]
    for variable, secret in zip(variables, secrets, strict=True):
        monkeypatch.setenv(variable, secret)
    monkeypatch.setenv("CIPHERBUCKET_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:the%20password@127.0.0.1:9")
    reference = cb.BucketReference(
        f"file://{folder}/store",
        folder / "a.key",
        folder / "e.pem",
        format="sealed",
        recipients=[folder / "k.pem.pub"],
        settings={"region": "cn-hangzhou", "read_timeout": 5.0},
    )
    reference.open().put("a", b"data")
    written = pickle.dumps(reference) + repr(reference).encode()
    held = [(folder / name).read_bytes() for name in ("a.key", "e.pem", "k.pem")]
    for held_back in [*held, *(each.encode() for each in (*secrets, PASSPHRASE, "password"))]:
        for piece in (held_back, held_back.strip()[-20:]):
            assert piece not in written


@pytest.mark.parametrize("name", ["credentials", "proxy"])
def test_settings_that_may_be_secret_are_refused(name: str) -> None:
    with pytest.raises(cb.UsageError, match=f"holds no {name}"):
        cb.BucketReference("oss://bucket", settings={name: "x"})


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(cb.UsageError, match="unknown setting 'reigon'"):
        cb.BucketReference("oss://bucket", settings={"reigon": "x"})
    with pytest.raises(cb.UsageError, match="addressing is one of"):
        cb.BucketReference("oss://bucket", settings={"addressing": "x"})
    with pytest.raises(cb.UsageError, match="names and values, not S3Settings"):
        cb.BucketReference("s3://bucket", settings=cb.S3Settings())  # type: ignore[arg-type]


def test_a_bucket_in_s3_is_opened_again_with_the_settings_of_s3(folder: Path) -> None:
    settings = {"endpoint": "http://127.0.0.1:1", "profile": None, "sign_payload": True}
    reference = cb.BucketReference("s3://my.bucket", folder / "k.pem", settings=settings)
    again = pickle.loads(pickle.dumps(reference))
    assert again.open().url == "s3://my.bucket"
    with pytest.raises(cb.UsageError, match="unknown setting 'signature'"):
        cb.BucketReference("s3://my.bucket", settings={"signature": "v4"})
    with pytest.raises(cb.UsageError, match="unknown setting 'profile'"):
        cb.BucketReference("oss://bucket", settings={"profile": "x"})


def test_settings_beside_a_file_are_those_of_its_store(folder: Path) -> None:
    text = '[stores.cloud]\nurl = "s3://records"\nprofile = "vault"\n'
    config = folder / "cipherbucket.toml"
    config.write_text(text)
    settings = {"endpoint": "http://127.0.0.1:1", "sign_payload": True}
    reference = cb.BucketReference("cloud://", config=config, settings=settings)
    assert reference.open().url == "s3://records"


def test_another_key_in_the_file_is_refused(folder: Path, reference: cb.BucketReference) -> None:
    for each in folder.glob("k.pem*"):
        each.unlink()
    key = cb.create_rsa_key_file(folder / "k.pem", description={"desc": "k"}, bits=2048)
    with pytest.raises(cb.MasterKeyError, match=re.escape(f"holds key {key.id} here, not SHA256:")):
        reference.open()


def test_a_key_file_that_is_not_there_is_named(folder: Path, reference: cb.BucketReference) -> None:
    (folder / "k.pem").unlink()
    with pytest.raises(cb.MasterKeyError, match=r"k\.pem"):
        reference.open()


def test_paths_do_not_depend_on_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    reference = cb.BucketReference(f"file://{folder}/store", "k.pem")
    monkeypatch.chdir("/")
    assert reference.keys[0].named == str(folder / "k.pem")
    assert reference.open().exists("a") is False


@pytest.fixture
def config(folder: Path) -> Path:
    path = folder / "cipherbucket.toml"
    path.write_text(
        f'[stores.records]\nurl = "file://{folder}/store"\n\n[keys.k]\nrsa = "{folder}/k.pem"\n'
    )
    return path


def test_a_place_of_a_configuration(config: Path) -> None:
    reference = cb.BucketReference("records", config=config)
    named = cb.BucketReference("records", "k", config=config)
    reference.open().put("a", b"data")
    assert named.open().get("a").read() == b"data"
    with pytest.raises(cb.MasterKeyError, match="there is no key 'other'"):
        cb.BucketReference("records", "other", config=config)


def test_a_configuration_with_other_contents_is_refused(config: Path) -> None:
    reference = cb.BucketReference("records", config=config)
    config.write_text(config.read_text() + "\n# changed\n")
    with pytest.raises(cb.UsageError, match="has other contents here"):
        reference.open()


def test_a_bucket_names_the_reference(bucket: cb.Bucket) -> None:
    with pytest.raises(cb.UsageError) as caught:
        pickle.dumps(bucket)
    assert "BucketReference" in str(caught.value.hint)
