"""The ring: which key writes, which key reads, and which rings are refused."""

import warnings
from collections.abc import Mapping

import pytest
from tests.support.sdk_vectors import private_key, rsa_key

from cipherbucket.errors import CipherbucketWarning, MasterKeyError, NoMatchingKeyError
from cipherbucket.format.description import Description
from cipherbucket.keys.aes import KWP, AesKey
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, spelling
from cipherbucket.keys.rsa import OAEP_SHA1, OAEP_SHA256, PKCS1, V1_RSA, RsaKey

Label = Mapping[str, str] | str | None


class OtherKey:
    """A user's own master key, of an algorithm of its own."""

    def __init__(self, name: str, description: Label = None, *algorithms: str) -> None:
        self.id = name
        self.description = Description(description)
        self.algorithms = frozenset(algorithms or {"OWN/ONE"})

    def algorithm_for(self, format: str) -> str:  # noqa: A002  the word of the protocol
        return min(self.algorithms)

    def wrap(self, secret: bytes, *, algorithm: str, context: bytes) -> bytes:
        return secret[::-1]

    def unwrap(self, wrapped: bytes, *, algorithm: str, context: bytes) -> bytes:
        return wrapped[::-1]


ONE = rsa_key("key1").described({"desc": "one"})
TWO = rsa_key("key2").described({"desc": "two", "note": "b"})
BARE = rsa_key("key3")
AES = AesKey(bytes(32), description={"desc": "one"})
SEALED = RsaKey(private_key("key2"), description={"desc": "vault"}, sealed_only=True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param([ONE, ONE], "stands twice", id="one key twice"),
        pytest.param(
            [ONE, ONE.described({"desc": "other"})], "stands twice", id="under two descriptions"
        ),
        pytest.param([ONE, ONE.described(None)], "stands twice", id="described and not"),
        pytest.param(
            [ONE, TWO.described({"desc": "one"})], "told apart", id="two keys, one description"
        ),
        pytest.param(
            [TWO, ONE.described('{ "note":"b", "desc":"two" }')],
            "told apart",
            id="two keys, one description written in two ways",
        ),
        pytest.param([BARE, ONE.described(None)], "told apart", id="two without a description"),
        pytest.param([BARE, ONE.described("{}")], "told apart", id="none and an empty one"),
        pytest.param(
            [ONE, BARE, TWO.described({"desc": "one"})], "told apart", id="not only neighbours"
        ),
        pytest.param(
            [OtherKey("a", None, "X/one"), OtherKey("b", None, "x/ONE")],
            "told apart",
            id="algorithms that differ in case",
        ),
        pytest.param(
            [AES, AesKey(bytes(31) + b"1", description={"desc": "one"})],
            "told apart",
            id="two AES keys, one description",
        ),
        pytest.param(
            [AES.described(None), AesKey(bytes(31) + b"1")],
            "told apart",
            id="two AES keys without a description",
        ),
        pytest.param([AES, AES.described({"a": "b"})], "stands twice", id="one AES key twice"),
        pytest.param(
            [SEALED, ONE.described({"desc": "vault"})],
            "told apart",
            id="for one format and for both",
        ),
        pytest.param([SEALED, TWO], "stands twice", id="one key, for one format and for both"),
        pytest.param(
            [OtherKey("a", None, "X", "Y"), OtherKey("b", None, "Y", "Z")],
            "told apart",
            id="one algorithm in common",
        ),
    ],
)
def test_a_ring_in_which_keys_could_be_confused_is_refused(
    keys: list[MasterKey], words: str
) -> None:
    with pytest.raises(MasterKeyError, match=words) as caught:
        KeyRing(*keys)
    assert caught.value.hint


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="none"),
        pytest.param([ONE], id="one"),
        pytest.param([ONE, TWO, BARE], id="three"),
        pytest.param([BARE, OtherKey("own")], id="two undescribed of different algorithms"),
        pytest.param(
            [ONE, OtherKey("own", {"desc": "one"})], id="one description, different algorithms"
        ),
        pytest.param([ONE, AES], id="an RSA and an AES key of one description"),
        pytest.param([BARE, AES.described(None)], id="an RSA and an AES key without one"),
        pytest.param([SEALED, ONE, AES], id="keys of every kind"),
        pytest.param([ONE, TWO.described({"desc": "One"})], id="descriptions that differ in case"),
    ],
)
def test_a_ring_in_which_every_key_can_be_told_apart_is_made(keys: list[MasterKey]) -> None:
    assert KeyRing(*keys).keys == tuple(keys)


@pytest.mark.parametrize(
    ("algorithm", "description", "found"),
    [
        (PKCS1, {"desc": "one"}, ONE),
        (PKCS1, {"desc": "two", "note": "b"}, TWO),
        (PKCS1, '{"note":"b","desc":"two"}', TWO),
        (PKCS1, ' { "note" : "b" ,\n"desc":"\\u0074wo" } ', TWO),
        (PKCS1, None, BARE),
        (PKCS1, "", BARE),
        (PKCS1, "{}", BARE),
        (PKCS1, " ", BARE),
        ("rsa/none/pkcs1padding", {"desc": "one"}, ONE),
        ("RSA/NONE/pkcs1PADDING", {"desc": "two", "note": "b"}, TWO),
        (OAEP_SHA1.upper(), None, BARE),
        (V1_RSA, None, BARE),
    ],
)
def test_a_key_is_found_whatever_the_order_spacing_and_case(
    algorithm: str, description: Label, found: MasterKey
) -> None:
    key, spelled = KeyRing(ONE, TWO, BARE).find(algorithm, Description(description))

    assert key is found
    assert spelled in key.algorithms
    assert spelled.casefold() == algorithm.casefold()


@pytest.mark.parametrize(
    ("algorithm", "description"),
    [
        (PKCS1, {"desc": "three"}),
        (PKCS1, {"desc": "two"}),
        (PKCS1, {"desc": "two", "note": "b", "more": "c"}),
        (PKCS1, {"desc": "One"}),
        (PKCS1, {"Desc": "one"}),
        (PKCS1, {"desc": "one "}),
        (PKCS1, None),
        ("KMS/ALICLOUD", {"desc": "one"}),
        (f"{PKCS1} ", {"desc": "one"}),
        ("", {"desc": "one"}),
    ],
)
def test_no_key_is_guessed(algorithm: str, description: Label) -> None:
    wanted = Description(description)

    with pytest.raises(NoMatchingKeyError) as caught:
        KeyRing(ONE, TWO).find(algorithm, wanted)

    for text in (str(wanted), f"({algorithm})", '{"desc":"one"}', '{"desc":"two","note":"b"}'):
        assert text in str(caught.value)
    assert "key=" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("algorithm", "description", "found"),
    [
        (KWP, {"desc": "one"}, AES),
        (PKCS1, {"desc": "one"}, ONE),
        (OAEP_SHA256, {"desc": "one"}, ONE),
        (OAEP_SHA256, {"desc": "vault"}, SEALED),
    ],
)
def test_keys_of_one_description_are_told_apart_by_their_algorithm(
    algorithm: str, description: Label, found: MasterKey
) -> None:
    for ring in (KeyRing(AES, ONE, SEALED), KeyRing(SEALED, ONE, AES)):
        assert ring.find(algorithm, Description(description)) == (found, algorithm)


@pytest.mark.parametrize("algorithm", [PKCS1, OAEP_SHA1, V1_RSA, KWP])
def test_a_key_that_is_kept_for_another_format_is_not_found_and_the_error_says_so(
    algorithm: str,
) -> None:
    with pytest.raises(NoMatchingKeyError, match="does not unwrap this algorithm"):
        KeyRing(SEALED, AES).find(algorithm, Description({"desc": "vault"}))
    with pytest.raises(NoMatchingKeyError) as caught:
        KeyRing(SEALED, AES).find(algorithm, Description({"desc": "another"}))
    assert "does not unwrap" not in str(caught.value)


def test_not_even_the_only_key_of_a_ring_is_a_default() -> None:
    for key, wanted in ((BARE, {"desc": "one"}), (ONE, None)):
        with pytest.raises(NoMatchingKeyError):
            KeyRing(key).find(PKCS1, Description(wanted))


def test_an_empty_ring_finds_nothing_and_cannot_write() -> None:
    with pytest.raises(NoMatchingKeyError, match="no keys"):
        KeyRing().find(PKCS1, Description())
    with pytest.raises(MasterKeyError, match="none") as caught:
        KeyRing().writer()
    assert "keygen" in (caught.value.hint or "")


def test_an_algorithm_of_the_stores_choosing_is_not_repeated_in_full() -> None:
    with pytest.raises(NoMatchingKeyError) as caught:
        KeyRing(ONE).find("y" * 500, Description())
    assert "y" * 65 not in str(caught.value)


def test_fetch_is_asked_for_every_key_that_is_not_there_and_for_no_other() -> None:
    asked: list[tuple[Description, str]] = []

    def fetch(description: Description, algorithm: str) -> MasterKey | None:
        asked.append((description, algorithm))
        return TWO if description == TWO.description else None

    ring = KeyRing(ONE, fetch=fetch)

    assert ring.find(PKCS1, ONE.description)[0] is ONE
    assert asked == []
    assert ring.find(PKCS1.lower(), TWO.description) == (TWO, PKCS1)
    assert ring.find(PKCS1, TWO.description) == (TWO, PKCS1)
    with pytest.raises(NoMatchingKeyError):
        ring.find(PKCS1, Description({"desc": "three"}))
    assert asked == [
        (TWO.description, PKCS1.lower()),
        (TWO.description, PKCS1),
        (Description({"desc": "three"}), PKCS1),
    ]


@pytest.mark.parametrize(
    ("fetched", "algorithm", "words"),
    [
        (ONE, PKCS1, "described as"),
        (BARE, "KMS/ALICLOUD", "cannot unwrap"),
        (OtherKey("own", {"desc": "two"}), PKCS1, "cannot unwrap"),
    ],
)
def test_a_key_fetched_that_does_not_fit_is_refused(
    fetched: MasterKey, algorithm: str, words: str
) -> None:
    ring = KeyRing(fetch=lambda *_: fetched)

    with pytest.raises(MasterKeyError, match=words):
        ring.find(algorithm, Description({"desc": "two"}))


def test_a_fetched_key_without_a_description_is_taken_for_the_one_asked_for() -> None:
    ring = KeyRing(fetch=lambda *_: BARE)

    assert ring.find(PKCS1, Description({"desc": "any"})) == (BARE, PKCS1)


def test_the_first_key_writes_and_a_described_one_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert KeyRing(ONE, BARE).writer() is ONE


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (BARE, "without a description"),
        (BARE.described({"desc": "clé"}), "not ASCII"),
        (BARE.described({"\u5bc6": "a"}), "not ASCII"),
        (BARE.described('{"desc":"cl\\u00e9"}'), "not ASCII"),
        (BARE.described('{"desc":"clé"}'), "not ASCII"),
    ],
)
def test_a_writing_key_that_will_hurt_later_is_warned_of_once_a_ring(
    key: MasterKey, words: str
) -> None:
    for ring in (KeyRing(key, ONE), KeyRing(key)):
        with pytest.warns(CipherbucketWarning, match=words):
            assert ring.writer() is key
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert ring.writer() is key


@pytest.mark.parametrize("key", [AES, SEALED])
def test_a_label_that_no_sdk_will_match_hurts_only_keys_that_write_for_sdks(
    key: AesKey | RsaKey,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert KeyRing(key.described({"desc": "clé"})).writer().description == {"desc": "clé"}
    with pytest.warns(CipherbucketWarning, match="without a description"):
        KeyRing(key.described(None)).writer()


def test_a_label_that_no_sdk_will_match_hurts_no_format_that_no_sdk_reads() -> None:
    ring = KeyRing(BARE.described({"desc": "clé"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ring.writer("sealed")
    with pytest.warns(CipherbucketWarning, match="not ASCII"):
        ring.writer("oss")
    with pytest.warns(CipherbucketWarning, match="without a description"):
        KeyRing(BARE).writer("sealed")


def test_a_key_that_only_reads_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert KeyRing(ONE, BARE).find(PKCS1, Description()) == (BARE, PKCS1)


def test_a_key_spells_its_algorithms_its_own_way() -> None:
    assert spelling(OtherKey("own", None, "Own/One"), "oWN/oNE") == "Own/One"
    assert spelling(OtherKey("own", None, "Own/One"), "Own/Two") is None


def test_a_ring_shows_its_keys_as_they_show_themselves() -> None:
    shown = repr(KeyRing(ONE, BARE))

    assert repr(ONE) in shown
    assert repr(BARE) in shown
