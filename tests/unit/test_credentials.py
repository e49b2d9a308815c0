"""Where credentials come from, and that they are not shown."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.support.leaks import leaks, raised, words

import cipherbucket as cb
from cipherbucket.credentials import Credentials, provider_of
from cipherbucket.errors import EXTRAS, missing_extra

SECRET = "swordfish"
NAMES = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_fixed_credentials_are_given_back_and_their_secrets_are_not_shown() -> None:
    fixed = Credentials("id", "swordfish", "token-of-ours")
    assert provider_of(fixed)() == fixed
    assert "swordfish" not in repr(fixed)
    assert "token-of-ours" not in repr(fixed)


def test_a_provider_is_asked_each_time() -> None:
    count = iter(range(10))
    provide = provider_of(lambda: Credentials(f"id-{next(count)}", "s"))
    assert [provide().access_key_id, provide().access_key_id] == ["id-0", "id-1"]


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in zip(NAMES, ("id", "secret", "token"), strict=True):
        monkeypatch.setenv(name, text)
    assert provider_of(None)() == Credentials("id", "secret", "token")
    monkeypatch.delenv("OSS_SESSION_TOKEN")
    assert provider_of(None)().security_token is None


def test_the_default_chain_is_asked_after_the_environment() -> None:
    # In a process of its own: the chain's library reads the environment when it is imported.
    code = (
        "from cipherbucket.credentials import provider_of\n"
        "print(provider_of(None)().access_key_id)\n"
    )
    chain = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "chain-id",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "chain-secret",
    }
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=chain
    ).stdout
    assert output == "chain-id\n"


def test_without_the_extra_the_error_names_it() -> None:
    code = (
        "import sys; sys.modules['alibabacloud_credentials'] = None;"
        "sys.modules['alibabacloud_oss_v2'] = None\n"
        "import cipherbucket as cb\n"
        "from cipherbucket.credentials import provider_of\n"
        "for call in (lambda: provider_of(None), lambda: cb.open_store('oss://bucket',"
        " cb.OssSettings(region='cn-hangzhou'))):\n"
        "    try: call()\n"
        "    except cb.MissingExtraError as error: print(error.hint)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    ).stdout
    assert output.count("pip install 'alibabacloud-credentials>=1.0'") == 2


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\x0b", "\xa0"])
def test_blanks_and_line_ends_around_credentials_are_taken_away(around: str) -> None:
    given = Credentials(*(f"{around}{text}{around}" for text in ("id", "secret", "token")))
    assert given == Credentials("id", "secret", "token")
    assert Credentials("id", "secret", around).security_token is None


@pytest.mark.parametrize(
    "within", ["\n", "\r\n ", "\0", "\x7f", "\x85", "é", "\u202e", "\ufeff", "\udc80"]
)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_what_no_header_can_hold_is_refused_and_shown_nowhere(part: int, within: str) -> None:
    texts = ["id", "secret", "token"]
    texts[part] = f"sword{within}fish"
    error = raised(lambda: Credentials(*texts))
    assert isinstance(error, cb.UsageError)
    assert ("key id", "key secret", "security token")[part] in str(error)
    assert "sword" not in words(error)
    assert "fish" not in words(error)
    assert not leaks(error, "sword", "fish")


def test_what_is_no_text_is_refused() -> None:
    error = raised(lambda: Credentials("id", SECRET.encode()))  # type: ignore[arg-type]
    assert "not bytes" in str(error)
    assert SECRET not in words(error)


def test_the_environment_with_line_ends_is_taken_and_an_empty_one_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in zip(NAMES, ("id\n", "secret\r\n", "token\n"), strict=True):
        monkeypatch.setenv(name, text)
    assert provider_of(None)() == Credentials("id", "secret", "token")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "\n")
    monkeypatch.setattr("cipherbucket.credentials._default_chain", lambda: Credentials)
    assert provider_of(None) is Credentials  # type: ignore[comparison-overlap] # which stands for the chain


def test_a_chain_that_has_nothing_is_told_without_the_name_of_a_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = pytest.importorskip("alibabacloud_credentials.client")
    exceptions = pytest.importorskip("alibabacloud_credentials.exceptions")

    def fail(*_: object) -> None:
        raise exceptions.CredentialException("at the end of the chain")

    monkeypatch.setattr(client, "Client", fail)
    with pytest.raises(cb.StoreError) as caught:
        provider_of(None)()
    assert caught.value.message == "no credentials in the default chain"


def test_what_the_default_chain_raises_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = pytest.importorskip("alibabacloud_credentials.client")

    def broken() -> None:
        raise ValueError(f"no JSON: {SECRET}")

    monkeypatch.setattr(chain, "Client", broken)
    error = raised(provider_of(None))
    assert isinstance(error, cb.StoreError)
    assert "ValueError" in str(error)
    assert SECRET not in words(error)


def test_a_provider_that_gives_something_else_is_told() -> None:
    with pytest.raises(cb.UsageError, match="not dict"):
        provider_of(lambda: {"access_key_secret": SECRET})()  # type: ignore[arg-type,return-value]


def test_what_a_missing_extra_says_to_install_is_what_the_extra_has() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert {name: list(packages) for name, packages in EXTRAS.items()} == {
        name: extras[name] for name in EXTRAS
    }
    assert missing_extra("x", "server").hint == "pip install 'uvicorn>=0.40'"
