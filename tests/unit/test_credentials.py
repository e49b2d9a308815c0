"""Where credentials come from, and that they are not shown."""

import subprocess
import sys

import pytest

from cipherbucket.credentials import Credentials, provider_of

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
    assert output.count("cipherbucket[oss]") == 2
