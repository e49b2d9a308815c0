"""What ``cipherbucket.toml`` must not say: refused with file, line and what is allowed."""

from pathlib import Path

import pytest

import cipherbucket as cb

STORE = '[stores.r]\nurl = "memory://r"\n'
S3 = '[stores.r]\nurl = "s3://r"\n'
OSS = '[stores.r]\nurl = "oss://r"\n'
KEYS = '[keys.a]\nrsa = "a.pem"\n[keys.v]\naes = "v.key"\n[keys.o]\nrsa = "o"\nread_only = true\n'
SECRET = "3f" * 32
ACCESS = "LTAI5tExampleExampleEx"


def refused(tmp_path: Path, text: str) -> cb.UsageError:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    with pytest.raises(cb.UsageError) as raised:
        cb.load_config(path)
    assert str(raised.value).startswith(f"{path}:")
    raised.value.message = raised.value.message.removeprefix(f"{path}:")
    return raised.value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("store = 1\n", "1: store: unknown name", "did you mean stores?"),
        ("\nstores = 1\n", "2: stores: stores are written as [stores.NAME]", ""),
        ("[stores]\nr = 1\n", "2: [stores.r]: stores are written as", ""),
        ('[stores.r]\nregion = "x"\n', "1: [stores.r]: url is missing", 'add url = "..."'),
        ('[stores.r]\nurl = "s4://x"\n', "2: [stores.r] url: not the URL", "s3://bucket"),
        ('[stores.r]\nurl = "s3://x/y"\n', "2: [stores.r] url: not the URL", "[[rules]]"),
        ('[stores.s3]\nurl = "s3://x"\n', "1: [stores.s3]: no name that a store", "a-z"),
        (f'{S3}signature = "v4"\n', "3: [stores.r] signature: a setting of oss://", "leave it"),
        (f'{OSS}profile = "x"\n', "3: [stores.r] profile: a setting of s3://", "leave it out"),
        (f'{S3}network = "internal"\n', "3: [stores.r] network: must be one of default, d", ""),
        (f"{S3}sign_payload = 1\n", "3: [stores.r] sign_payload: must be true or false", ""),
        (f"{S3}adressing = 1\n", "3: [stores.r] adressing: unknown name", "addressing?"),
        ('[stores.r]\nurl = "oss://x/y"\n', "2: [stores.r] url: not the URL", "[[rules]]"),
        ('[stores.r]\nurl = "file://x"\n', "2: [stores.r] url: not the URL", ""),
        ('[stores.oss]\nurl = "oss://x"\n', "1: [stores.oss]: no name that a store", "a-z"),
        ('[stores.R_1]\nurl = "oss://x"\n', "1: [stores.R_1]: no name that a store", ""),
        (f'{STORE}[stores.s]\nurl = "memory://r/"\n', "4: [stores.s] url: it is that of", ""),
        (f"{STORE}attempts = true\n", "3: [stores.r] attempts: must be a whole number", ""),
        (f"{STORE}read_timeout = 0\n", "3: [stores.r] read_timeout: must be a number", ""),
        (f"{STORE}endpont = 1\n", "3: [stores.r] endpont: unknown name", "did you mean endpoint?"),
        (f"{STORE}verify = false\n", "3: [stores.r] verify: unknown name", ""),
        (f'{STORE}addressing = "{SECRET[:9]}"\n', "3: [stores.r] addressing: must be one of v", ""),
        ('[keys.k]\nkms = "k"\nblob = "x"\n', "3: [keys.k] blob: must be one of single, d", ""),
        ('[keys.k]\nkms = "k"\nnetwork = 1\n', "3: [keys.k] network: must be one of public", ""),
        ('[stores.f]\nurl = "file:///a/../b"\n', "2: [stores.f] url: a path with '.'", "without"),
        ('[stores.f]\nurl = "file:///a//"\n', "2: [stores.f] url: a path with '.'", "without"),
        ('[stores.f]\nurl = "file:////a"\n', "2: [stores.f] url: a path with '.'", "without"),
        (f'{STORE}[[rules]]\nat = "file:///a//b"\n', "4: [[rules]] at: a path with '.'", ""),
        ('[keys."a=b"]\nrsa = "b"\n', "1: [keys.a=b]: no name that a key", "'='"),
        ('[keys.k]\ndescription = "x"\n', "1: [keys.k]: a key is one of", "rsa ="),
        ('[keys.k]\nrsa = "a"\naes = "b"\n', "1: [keys.k]: a key is one of", ""),
        ("[keys.k]\nrsa = 1\n", "2: [keys.k] rsa: must be a text", ""),
        ('[keys.k]\naes = "b"\nformats = ["oss"]\n', "3: [keys.k] formats: unknown", "sealed"),
        ('[keys.k]\nrsa = "b"\nregion = "x"\n', "3: [keys.k] region: unknown name", "known:"),
        ('[keys.k]\nrsa = "b"\nread_only = 1\n', "3: [keys.k] read_only: must be true", ""),
        ('[keys.k]\nrsa = "b"\ndescription = [1]\n', "3: [keys.k] description: must be", ""),
        ('[keys.k]\nrsa = "b"\ndescription = "[]"\n', "3: [keys.k] description: descr", "desc"),
        ('[keys.k]\nrsa = "b"\npassphrase_env = "a b"\n', "3: [keys.k] passphrase_env:", ""),
        ('[keys."a/b"]\nrsa = "b"\n', "1: [keys.a/b]: no name that a key", ""),
        ("[rules]\n", "1: [[rules]]: rules are written as [[rules]]", ""),
        ('[[rules]]\nwrite = "a"\n', "1: [[rules]]: ", ""),
        (f'{STORE}[[rules]]\nat = "q"\n', "4: [[rules]] at: no such store", "known: r"),
        (f'{STORE}[[rules]]\nat = "q://x"\n', "4: [[rules]] at: no such store", "known: r"),
        (
            f'{STORE}[[rules]]\nat = "r/a"\n[[rules]]\nat = "r://a/"\n',
            "6: [[rules]] at: the rule on line 3 is for the same",
            "",
        ),
        (f'{STORE}{KEYS}[[rules]]\nat = "r"\nwrite = "aa"\n', "12: [[rules]] write: no such", "a?"),
        (f'{STORE}{KEYS}[[rules]]\nat = "r"\nwrite = "o"\n', "12: [[rules]] write: key o is", ""),
        (
            f'{STORE}{KEYS}[[rules]]\nat = "r"\nwrite = "v"\nformat = "oss"\n',
            "12: [[rules]] write: key v is not for format oss",
            "",
        ),
        (
            f'{STORE}{KEYS}[[rules]]\nat = "r"\nrecipients = ["v"]\n',
            "12: [[rules]] recipients: recipients are of format sealed",
            "format",
        ),
        (
            f'{STORE}{KEYS}[[rules]]\nat = "r"\nwrite = "v"\nrecipients = ["v"]\n',
            "13: [[rules]] recipients: key v writes",
            "",
        ),
        (f'{STORE}[[rules]]\nat = "r"\nformat = "oss-v1"\n', "5: [[rules]] format: unk", "sealed"),
        (f'{STORE}[[rules]]\nat = "r"\naccept = ["x"]\n', "5: [[rules]] accept: unk", "oss-v1"),
        (f'{STORE}[[rules]]\nat = "r"\nread = ["x"]\n', "5: [[rules]] read: no such key", ""),
        (f'{STORE}[[rules]]\nat = "r"\nstrict_vi = true\n', "5: [[rules]] strict_vi:", "strict_iv"),
        ("a = 1\nb = \n", "2: no TOML: Invalid value", "toml.io"),
        ("a = 1\n[b", "2: no TOML: ", ""),
        (f"[{SECRET}]\n" * 2, "2: no TOML: Cannot declare (...,) twice", ""),
        ("a = '''\n\n", "3: no TOML: ", ""),
    ],
)
def test_an_error_says_where_and_what_is_allowed(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    error = refused(tmp_path, text)
    assert error.message.startswith(message)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "line",
    [
        f'access_key_secret = "{SECRET}"',
        f'access_key_id = "{ACCESS}"',
        f'passphrase = "{SECRET}"',
        f'token = "{SECRET}"',
        f'credentials = {{ "id" = "{SECRET}" }}',
        f'endpoint = "https://me:{SECRET}@oss.example"',
        f'region = "{ACCESS}"',
        f'endpoint = "{SECRET}"',
        f'endpoint = "{"A" * 43}="',
        f'ca_file = """-----BEGIN PRIVATE KEY-----\n{SECRET}"""',
        f'"{SECRET}" = 1',
    ],
)
def test_a_secret_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    error = refused(tmp_path, f"{STORE}\n{line}\n")
    assert error.message.startswith("4: [stores.r] ")
    assert "access keys come from" in (error.hint or "")
    assert "me:" not in f"{error}{error.hint}"
    assert SECRET not in f"{error}{error.hint}"
    assert ACCESS not in f"{error}{error.hint}"


def test_a_fingerprint_may_be_a_description(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'[keys.k]\nrsa = "k.pem"\ndescription = {{ sha256 = "{SECRET}" }}\n')
    path.chmod(0o600)
    assert cb.load_config(path).keys["k"].description == {"sha256": SECRET}
