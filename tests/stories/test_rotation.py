"""Rotation as stories: a table, each row in both formats, over memory, a directory and HTTP."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from tests.support.fake_key import FakeKey
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    METADATA,
    SMALL,
    LikeOss,
    Requests,
    Scene,
    key_for,
    labels,
    public_half,
    rsa_pair,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store

_ALIKE = (cb.AesKey, cb.RsaKey)


@pytest.fixture(params=FORMATS)
def scene(
    request: pytest.FixtureRequest, any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    for entry in any_store.list().entries:
        any_store.delete(entry.name)
    scene = Scene(any_store, request.param)
    scene.put()
    return scene


@pytest.mark.each_pair
@pytest.mark.parametrize("plain", [b"", b"x", SMALL, LARGE], ids=["0", "1", "small", "parts"])
def test_in_the_right_order(scene: Scene, plain: bytes) -> None:
    """New key beside the old one, everything rewrapped, old key away."""
    before = scene.put(plain)
    body = _stored(scene)

    both = scene.bucket(scene.new, scene.old)
    assert both.get(scene.name).read() == plain
    rewrapped = cb.rotation.rewrap(both, scene.name)

    assert labels(rewrapped) == ["new"]
    assert scene.bucket(scene.new).get(scene.name).read() == plain
    with pytest.raises(cb.NoMatchingKeyError):
        scene.bucket(scene.old).get(scene.name)
    assert not scene.opens(scene.old)
    assert _stored(scene) == body, "the ciphertext is the same"
    assert (rewrapped.size, rewrapped.crc64) == (before.size, before.crc64)
    scene.assert_law()


def test_again_changes_nothing_and_asks_once(scene: Scene) -> None:
    scene.rotated()
    requests = Requests(scene.store)
    again = cb.rotation.rewrap(scene.bucket(scene.new, scene.old), scene.name)
    assert requests.names in (["HEAD"], ["head"])
    assert labels(again) == ["new"]


def test_back_again(scene: Scene) -> None:
    scene.rotated()
    scene.rotated(scene.new, to=scene.old)
    assert scene.label() == "old"
    scene.assert_law()


def test_the_wrong_key_changes_nothing(scene: Scene) -> None:
    """One of the old key's description, and one that is named whatever descriptions say."""
    imposter = _labelled(scene, "imposter", {"desc": "old"})
    before = scene.store.head(scene.name)
    with pytest.raises(cb.WrongKeyError, match="folder/object"):
        scene.rotated(imposter)
    with pytest.raises(cb.WrongKeyError):
        scene.rotated(key=_labelled(scene, "imposter", {"desc": "imposter"}))
    assert scene.store.head(scene.name) == before


def test_the_old_key_is_gone(scene: Scene) -> None:
    before = scene.store.head(scene.name)
    with pytest.raises(cb.NoMatchingKeyError, match="the object's key is described as"):
        scene.rotated(scene.new)
    assert scene.store.head(scene.name) == before


def test_a_new_key_that_does_not_open_what_it_wraps_is_refused(scene: Scene) -> None:
    """Halves that do not belong together would lock the object for ever."""

    class Forgetful:
        """Wraps with one key and unwraps with another."""

        id = "forgetful"
        description = cb.Description({"desc": "new"})
        algorithms = scene.new.algorithms
        algorithm_for = staticmethod(scene.new.algorithm_for)
        wrap = staticmethod(scene.new.wrap)
        unwrap = staticmethod(_labelled(scene, "other half", {}).unwrap)

    before = scene.store.head(scene.name)
    with pytest.raises(cb.MasterKeyError, match="does not open what it wrapped"):
        scene.rotated(to=Forgetful())
    assert scene.store.head(scene.name) == before


def test_the_public_half_of_the_new_key_does(scene: Scene) -> None:
    scene.rotated(to=public_half("new"))
    key = cb.RsaKey(rsa_pair("new"), description={"desc": "new"})
    assert scene.bucket(key).get(scene.name).read() == SMALL


def test_a_new_key_that_cannot_write_the_format_is_refused(scene: Scene) -> None:
    is_oss = scene.format == "oss"
    unfit = cb.AesKey(bytes(32), description={"desc": "a"}) if is_oss else FakeKey(b"", b"")
    before = scene.store.head(scene.name)
    with pytest.raises(cb.MasterKeyError):
        scene.rotated(to=unfit)
    assert scene.store.head(scene.name) == before


def test_a_new_key_with_the_label_of_another_is_refused_before_any_request(scene: Scene) -> None:
    requests = Requests(scene.store)
    namesake = _labelled(scene, "new", {"desc": "old"})
    with pytest.raises(cb.MasterKeyError, match="could not be told apart"):
        scene.rotated(to=namesake)
    with pytest.raises(cb.MasterKeyError, match="could not be told apart"):
        cb.rotation.rewrap_all(scene.bucket(), "", namesake)
    assert requests.names == []


def test_an_undescribed_key_is_replaced(scene: Scene) -> None:
    bare = _labelled(scene, "old", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cb.CipherbucketWarning)
        scene.bucket(bare).put(scene.name, SMALL, metadata=METADATA)
    scene.rotated(bare)
    assert scene.bucket(scene.new).get(scene.name).read() == SMALL


def test_the_same_key_is_given_a_description(scene: Scene) -> None:
    bare = _labelled(scene, "old", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cb.CipherbucketWarning)
        scene.bucket(bare).put(scene.name, SMALL, metadata=METADATA)
    rewrapped = scene.rotated(bare, to=scene.old)
    assert labels(rewrapped) == ["old"]
    assert scene.bucket(scene.old).get(scene.name).read() == SMALL


def test_key_opens_whatever_the_description_says(scene: Scene) -> None:
    mislabelled = _labelled(scene, "old", {"desc": "forgotten"})
    rewrapped = cb.rotation.rewrap(scene.bucket(scene.new), scene.name, key=mislabelled)
    assert labels(rewrapped) == ["new"]
    scene.assert_law()


def test_plaintext_and_oss_v1_are_told_and_left(scene: Scene) -> None:
    scene.store.put(scene.name, b"plain")
    with pytest.raises(cb.PolicyError, match="not encrypted") as plaintext:
        scene.rotated()
    assert "kinds=['plaintext']" in (plaintext.value.hint or "")


@pytest.mark.each_pair
@pytest.mark.parametrize("step", ["put", "replace_metadata", "begin_upload", "upload_part"])
@pytest.mark.parametrize("plain", [SMALL, LARGE], ids=["small", "parts"])
def test_a_lost_answer_is_no_failure(scene: Scene, step: str, plain: bytes) -> None:
    """The store did it, and its answer never came: the object is known to be ours."""
    scene.put(plain)
    requests = Requests(scene.store, http=False)
    failing = [step, "complete_upload"]

    def lose(_: int, name: str) -> None:
        if name in failing:
            failing.remove(name)
            raise cb.TransientStoreError("the answer was lost")

    requests.after = lose
    rewrapped = scene.rotated()
    assert labels(rewrapped) == ["new"]
    requests.forget()
    assert scene.bucket(scene.new).get(scene.name).read() == plain
    scene.assert_law()


@pytest.mark.parametrize("step", ["put", "replace_metadata", "begin_upload", "upload_part"])
def test_a_store_that_goes_on_failing_leaves_the_old_envelope(scene: Scene, step: str) -> None:
    scene.put(LARGE)
    before = scene.store.head(scene.name)
    requests = Requests(scene.store, http=False)
    taken = _writes(scene, step)

    def fail(_: int, name: str) -> None:
        if name == taken:
            raise cb.TransientStoreError("down")

    requests.before = fail
    with pytest.raises(cb.TransientStoreError):
        scene.rotated()
    requests.forget()
    assert scene.store.head(scene.name) == before
    scene.assert_law()


def test_an_abort_that_fails_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    scene = Scene(LikeOss(), "oss", LARGE)
    scene.put()
    requests = Requests(scene.store)

    def fail(_: int, name: str) -> None:
        if name in {"upload_part", "abort_upload"}:
            raise cb.StoreError(f"{name} failed")

    requests.before = fail
    with pytest.raises(cb.StoreError, match="upload_part failed"):
        scene.rotated()
    requests.forget()
    (left,) = scene.store.list_uploads()
    scene.store.abort_upload(left.name, left.upload_id)
    scene.assert_law()


@pytest.mark.each_pair
@pytest.mark.parametrize("to_same", [True, False], ids=["same target", "different targets"])
def test_a_second_rotator_between_any_two_requests_of_the_first(
    scene: Scene, to_same: bool
) -> None:
    third = key_for(scene.format, "third")
    requests = Requests(scene.store)
    for number in range(1, 30):
        scene.put(LARGE)
        requests.forget()

        def other(now: int, _: str, number: int = number) -> None:
            if now == number:
                ring = scene.new if to_same else third
                cb.rotation.rewrap(
                    scene.bucket(ring, scene.old, *([scene.new] * (not to_same))), scene.name
                )

        requests.before = other
        with contextlib.suppress(cb.ObjectChangedError, cb.PreconditionFailedError):
            cb.rotation.rewrap(scene.bucket(scene.new, scene.old, third), scene.name, workers=1)
        came = len(requests.names) >= number
        requests.forget()
        assert scene.read(scene.new, third, scene.old) == LARGE
        assert scene.label() in {"new", "new" if to_same else "third"}
        assert scene.store.list_uploads() == []
        if not came:
            break
    assert not came


def _stored(scene: Scene) -> bytes:
    with scene.store.get(scene.name) as incoming:
        data = bytearray(incoming.stop)
        incoming.readinto(data)
    return bytes(data)


def _labelled(scene: Scene, secret: str, description: dict[str, str]) -> MasterKey:
    key = key_for(scene.format, secret)
    assert isinstance(key, _ALIKE)
    return key.described(description)


def _writes(scene: Scene, step: str) -> str:
    """Return the write that this store makes here, where ``step`` is of another's."""
    moves = scene.format == "oss" and scene.store.fixed_metadata is not None
    if moves:
        return "begin_upload" if step in {"put", "replace_metadata"} else step
    return "replace_metadata"
