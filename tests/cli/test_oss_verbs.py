"""Verbs that only OSS has: presigned URLs, versions, archived objects, buckets of an account."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke, on_terminal, read

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.server.service import Settings

_ENABLED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["plain", "kept"]) as running:
        yield running


@pytest.fixture(scope="module")
def key(key_file: Path) -> cb.MasterKey:
    return cb.load_key(key_file)


@pytest.fixture
def env(endpoint: Endpoint) -> dict[str, str]:
    return environment(endpoint)


def environment(endpoint: Endpoint) -> dict[str, str]:
    return {
        "OSS_ACCESS_KEY_ID": endpoint.access_key_id,
        "OSS_ACCESS_KEY_SECRET": endpoint.access_key_secret,
        "OSS_REGION": endpoint.region,
        "OSS_ENDPOINT": endpoint.url,
    }


def settings_of(endpoint: Endpoint) -> cb.OssSettings:
    credentials = cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret)
    return cb.OssSettings(region=endpoint.region, endpoint=endpoint.url, credentials=credentials)


def versioned(bucket: cb.Bucket) -> None:
    """Let a bucket keep versions from now on."""
    client = bucket.access.store.client  # type: ignore[attr-defined]
    client.request("PutBucketVersioning", "PUT", query={"versioning": ""}, body=_ENABLED)


@pytest.fixture
def plain(endpoint: Endpoint, key: cb.MasterKey) -> Iterator[cb.Bucket]:
    with cb.open_bucket("oss://plain", key, settings=settings_of(endpoint)) as bucket:
        yield bucket


@pytest.fixture
def plain_kept(
    history: list[str],
    endpoint: Endpoint,
    key: cb.MasterKey,
) -> Iterator[cb.Bucket]:
    with cb.open_bucket("oss://kept", key, settings=settings_of(endpoint)) as bucket:
        yield bucket


def run(env: dict[str, str], *arguments: object, code: int = 0) -> Result:
    result = invoke("--no-config", *arguments, env=env)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def history(endpoint: Endpoint, key: cb.MasterKey) -> list[str]:
    """Write three versions of an object, the newest a delete marker, and return their ids."""
    with cb.open_bucket("oss://kept", key, settings=settings_of(endpoint)) as bucket:
        versioned(bucket)
        for body in (b"first", b"second!"):
            bucket.put("v/a", body)
        bucket.delete("v/a")
        return [each.version_id for each in bucket.versions("v/a")]


class TestVersions:
    def test_they_are_listed_the_newest_first(
        self, env: dict[str, str], history: list[str]
    ) -> None:
        lines = [
            line.split()
            for line in run(env, "ls", "--versions", "oss://kept/v").stdout.splitlines()
        ]
        assert [line[0] for line in lines] == ["deleted", "7", "5"]
        assert [line[3] for line in lines] == history
        assert [line[4] for line in lines] == ["v/a"] * 3
        found = run(env, "ls", "--versions", "--json", "--total", "oss://kept/v").stdout
        facts = [json.loads(line) for line in found.splitlines()]
        assert [each.get("is_delete_marker") for each in facts] == [True, False, False, None]
        assert facts[-1] == {
            "total": True,
            "versions": 2,
            "delete_markers": 1,
            "stored_size": 12,
        }
        assert run(env, "ls", "--versions", "oss://kept/none", code=3).stdout == ""

    def test_on_a_narrow_terminal_ids_are_on_lines_of_their_own(
        self, env: dict[str, str], history: list[str]
    ) -> None:
        def shown(columns: int) -> list[str]:
            args = ("ls", "--versions", "oss://kept/v")
            return on_terminal(*args, columns=columns, env=env).screen.splitlines()

        narrow = shown(80)
        assert narrow[0].endswith("NAME, VERSION BELOW")
        assert [line.strip() for line in narrow[2:7:2]] == history
        assert [line.split()[3:] for line in narrow[1:7:2]] == [["v/a"]] + [["v/a", "(old)"]] * 2
        assert max(map(len, narrow)) < 80
        assert [line.split()[3] for line in shown(130)[1:4]] == history

    def test_they_are_read_shown_and_copied_by_their_ids(
        self, env: dict[str, str], history: list[str], key_file: Path, tmp_path: Path
    ) -> None:
        keyed = ("-k", key_file, "--version-id", history[2])
        run(env, "cat", "-k", key_file, "oss://kept/v/a", code=3)
        assert run(env, "cat", *keyed, "oss://kept/v/a").stdout == "first"
        run(env, "cp", "-q", *keyed, "oss://kept/v/a", tmp_path / "out")
        assert (tmp_path / "out").read_text() == "first"
        assert run(env, "cp", "-q", *keyed, "oss://kept/v/a", "-").stdout == "first"
        facts = json.loads(run(env, "stat", "--json", *keyed, "oss://kept/v/a").stdout)
        assert (facts["version_id"], facts["size"]) == (history[2], 5)
        assert facts["key"]["opens"]
        url = run(env, "presign", "--version-id", history[1], "oss://kept/v/a").stdout.strip()
        assert run(env, "cat", "-k", key_file, url).stdout == "second!"

    @pytest.mark.parametrize(
        "args",
        [
            ("cat", "oss://kept/v/a", "oss://kept/v/b"),
            ("cat", "file"),
            ("cat", "https://example.com/a"),
            ("cp", "file", "oss://kept/v/"),
            ("cp", "-r", "oss://kept/v", "out"),
            ("cp", "-u", "oss://kept/v/a", "out"),
            ("rm", "-r", "oss://kept/v"),
            ("rm", "oss://kept/v/a", "oss://kept/v/b"),
            ("restore", "-r", "oss://kept/v"),
        ],
    )
    def test_an_id_is_for_one_object(self, args: tuple[str, ...], env: dict[str, str]) -> None:
        line = error_of(run(env, *args, "--version-id", "x", code=2))
        assert "--version-id" in line

    @pytest.mark.parametrize("form", ["oss", "sealed"])
    def test_an_old_one_is_brought_back_without_a_key(
        self, form: str, env: dict[str, str], key: cb.MasterKey, endpoint: Endpoint
    ) -> None:
        settings = settings_of(endpoint)
        with cb.open_bucket("oss://kept", key, settings=settings, format=form) as bucket:
            old = bucket.put("back/a", b"good", metadata={"of": "us"})
            bucket.put("back/a", b"spoilt!")
            run(env, "cp", "--version-id", old.version_id, "oss://kept/back/a", "oss://kept/back/a")
            back = bucket.head("back/a")
            assert (back.envelope, back.metadata) == (old.envelope, old.metadata)
            assert bucket.get("back/a").read() == b"good"
            bucket.delete("back/a")
            run(env, "cp", "--version-id", old.version_id, "oss://kept/back/a", "oss://kept/back/")
            assert bucket.get("back/a").read() == b"good"
            bucket.delete("back/a")
            marker = next(bucket.versions("back/a")).version_id
            for version_id, why in (("CAEQ", "no such version"), (marker, "is a delete marker")):
                one = ("--version-id", version_id, "oss://kept/back/a")
                line = error_of(run(env, "cp", *one, "oss://kept/back/a", code=3))
                assert why in line
                assert "cipherbucket ls --versions" in line

    def test_what_becomes_of_an_old_one_is_shown_before_and_after(
        self,
        env: dict[str, str],
        key: cb.MasterKey,
        key_file: Path,
        plain_kept: cb.Bucket,
        tmp_path: Path,
    ) -> None:
        old = str(plain_kept.put("shown", b"good").version_id)
        plain_kept.put("shown", b"spoilt!")
        url, keyed = "oss://kept/shown", ("-k", key_file)
        for target in (url, str(tmp_path / "out")):
            copy = ("cp", *keyed, "--version-id", old, url, target)
            foreseen = run(env, *copy, "-n").stdout
            assert foreseen == f"would copy {url} -> {target} (4 bytes)\n"
            assert plain_kept.get("shown").read() == b"spoilt!"
            assert not (tmp_path / "out").exists()
        shown = json.loads(run(env, *copy, "--json").stdout)
        assert shown == {"action": "copied", "source": url, "target": target, "size": 4}
        assert (tmp_path / "out").read_bytes() == b"good"
        done = run(env, "cp", "-v", "--version-id", old, url, url).stderr
        assert done == f"cipherbucket: copied {url} -> {url} (4 bytes)\n"
        for option, code in (("-n", 3), ("-v", 3)):
            run(env, "cp", option, "--version-id", "CAEQ", url, url, code=code)
        for option in ("-n", "-v"):
            absent = ("cp", option, *keyed, "--if-absent", "--version-id", old, url)
            run(env, *absent, tmp_path / "out", code=1)
            run(env, *absent, url, code=1)

    def test_a_copy_through_a_pipe_is_shown_if_asked_for(self, url: str, key_file: Path) -> None:
        up = invoke("cp", "-v", "-k", key_file, "-", f"{url}/a", stdin=b"data")
        assert up.stderr == f"cipherbucket: copied - -> {url}/a (4 bytes)\n"
        down = invoke("cp", "-v", "-k", key_file, f"{url}/a", "-")
        assert (down.stdout, down.stderr) == (
            "data",
            f"cipherbucket: copied {url}/a -> - (4 bytes)\n",
        )
        refused = invoke("cp", "-n", "-k", key_file, f"{url}/a", "-")
        assert "leave it out" in error_of(refused)

    def test_an_old_one_is_copied_to_another_name_and_another_store(
        self,
        env: dict[str, str],
        key: cb.MasterKey,
        key_file: Path,
        endpoint: Endpoint,
        url: str,
    ) -> None:
        settings = settings_of(endpoint)
        with cb.open_bucket("oss://kept", key, settings=settings, format="sealed") as bucket:
            old = bucket.put("away/a", b"good").version_id
            bucket.put("away/a", b"spoilt!")
            source = ("cp", "--version-id", old, "oss://kept/away/a")
            keys = ("-k", key_file, "--format", "sealed")
            run(env, *source, "oss://kept/away/b", *keys)
            assert bucket.get("away/b").read() == b"good"
        run(env, *source, f"{url}/away/a")
        assert "sealed under its name" in error_of(run(env, *source, f"{url}/other", code=2))
        run(env, *source, f"{url}/b", *keys)
        with cb.open_bucket(url, key, format="sealed") as there:
            assert read(there, "away/a") == read(there, "b") == b"good"
        nowhere = run({}, "cp", "--version-id", "x", f"{url}/b", f"{url}/b", code=2)
        assert "no versions" in error_of(nowhere)

    def test_one_is_deleted_for_good(self, env: dict[str, str], plain_kept: cb.Bucket) -> None:
        first = plain_kept.put("d/a", b"first").version_id
        plain_kept.put("d/a", b"second")
        plain_kept.delete("d/a")
        marker = next(plain_kept.versions("d/a")).version_id
        dry = run(env, "rm", "-n", "--version-id", marker, "oss://kept/d/a")
        assert dry.stdout == "would delete d/a\n"
        run(env, "rm", "--version-id", marker, "oss://kept/d/a")
        assert plain_kept.get("d/a").read() == b"second"
        done = run(env, "rm", "--json", "--version-id", first, "oss://kept/d/a")
        assert json.loads(done.stdout) == {
            "action": "deleted",
            "name": "d/a",
            "version_id": first,
        }
        assert len(list(plain_kept.versions("d/a"))) == 1
        run(env, "rm", "--version-id", first, "oss://kept/d/a", code=3)
        run(env, "rm", "-f", "--version-id", first, "oss://kept/d/a")
        assert plain_kept.get("d/a").read() == b"second"

    def test_their_bytes_are_counted(self, env: dict[str, str], history: list[str]) -> None:
        assert run(env, "du", "--versions", "oss://kept/v/").stdout.split()[:2] == ["12", "2"]
        run(env, "du", "oss://kept/v/", code=3)

    def test_an_audit_counts_versions_and_names_them_by_their_ids(
        self, env: dict[str, str], plain_kept: cb.Bucket, tmp_path: Path
    ) -> None:
        ids = [plain_kept.put("audit/a", body).version_id for body in (b"1", b"2")]
        ids.append(plain_kept.put("audit/b", b"3").version_id)
        page = tmp_path / "page"
        asked = ("--retire", "desc=mine", "--html", page, "oss://kept/audit/")
        lines = run(env, "audit", "--versions", *asked, code=7).stdout.splitlines()
        assert "kept/audit/: 3 versions of 2 objects, " in lines[0]
        assert any(line.startswith("     VERSIONS  ") for line in lines)
        assert not any("OBJECTS" in line for line in lines)
        named = lines.index('Can {"desc":"mine"} be retired? no: 3 versions name it') + 1
        assert sorted(lines[named : named + 3]) == sorted(
            f"  audit/{name} (version {each})" for name, each in zip("aab", ids, strict=True)
        )
        assert "versions of 2 objects" in page.read_text()


class TestPresign:
    def test_the_url_alone_is_printed_and_cat_reads_it(
        self, env: dict[str, str], plain: cb.Bucket, key: cb.MasterKey
    ) -> None:
        plain.put("a b/é", b"hello")
        result = run(env, "--debug", "presign", "oss://plain/a b/é")
        assert result.stdout.startswith("http://")
        assert result.stdout.count("\n") == 1
        assert "ignature" not in result.stderr
        assert cb.open_url(result.stdout.strip(), key).read() == b"hello"

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90s", 90), ("2m", 120), ("1h", 3600), ("7d", 604800), ("60", 60)]
    )
    def test_its_time_is_what_was_asked_for(
        self, text: str, seconds: int, env: dict[str, str]
    ) -> None:
        url = run(env, "presign", "--expires", text, "oss://plain/a").stdout
        assert f"x-oss-expires={seconds}&" in url.strip() + "&"

    @pytest.mark.parametrize("text", ["8d", "0", "1w", "-1", "1.5h", "٣"])
    def test_another_time_is_refused(self, text: str, env: dict[str, str]) -> None:
        assert run(env, "presign", f"--expires={text}", "oss://plain/a", code=2).stdout == ""

    @pytest.mark.parametrize("args", [("cp", "."), ("stat",), ("verify",), ("mv", ".")])
    def test_other_commands_than_cat_say_how_it_is_read(self, args: tuple[str, ...]) -> None:
        command, *target = args
        line = error_of(run({}, command, "https://b.example/a?signature=SECRET", *target, code=2))
        assert "cipherbucket cat -k KEY 'URL' > FILE" in line
        assert "SECRET" not in line

    def test_a_directory_store_has_none(self, url: str) -> None:
        line = error_of(run({}, "presign", f"{url}/a", code=2))
        assert "has no presigned URLs" in line


ARCHIVED = {"x-oss-storage-class": "Archive"}


class TestRestore:
    def test_an_archived_object_can_be_read_then(
        self, env: dict[str, str], plain: cb.Bucket
    ) -> None:
        plain.put("cold/one", b"cold", headers=ARCHIVED)
        result = run(env, "restore", "--days", 2, "oss://plain/cold/one")
        assert (result.stdout, result.stderr) == (
            "",
            "cipherbucket: restoring 1 object, 4 bytes\n",
        )
        assert plain.get("cold/one").read() == b"cold"
        stat = run(env, "stat", "oss://plain/cold/one").stdout
        assert 'x-oss-restore        ongoing-request="false"' in stat

    def test_asked_now_under_way_and_readable_are_told_apart(self, key: cb.MasterKey) -> None:
        late = timedelta()
        settings = Settings(
            credentials=cb.Credentials("id", "secret"),
            restore_seconds=60,
            clock=lambda: datetime.now(UTC) + late,
        )
        with Endpoint(buckets=["cold"], settings=settings) as slow:
            env = environment(slow)
            with cb.open_bucket("oss://cold", key, settings=settings_of(slow)) as bucket:
                bucket.put("a", b"cold", headers=ARCHIVED)
                bucket.put("b", b"cold", headers=ARCHIVED)
                bucket.put("warm", b"warm")

            under_way = "being restored already"

            def restored(*options: str) -> tuple[list[str], list[str]]:
                came = run(env, "restore", "-r", *options, "oss://cold/")
                return sorted(came.stdout.splitlines()), sorted(came.stderr.splitlines())

            assert restored("-n") == (
                ["would restore a (4 bytes)", "would restore b (4 bytes)"],
                ["cipherbucket: would restore 2 objects, 8 bytes; 1 not archived"],
            )
            run(env, "restore", "oss://cold/a")
            again = run(env, "restore", "oss://cold/a")
            assert again.stderr == f"cipherbucket: 'a': {under_way}\n"
            warm = run(env, "restore", "-n", "oss://cold/warm")
            assert warm.stderr == "cipherbucket: 'warm': not archived\n"
            assert restored("-v") == (
                [],
                [
                    f"cipherbucket: restoring 1 object, 4 bytes; 1 {under_way}; 1 not archived",
                    "cipherbucket: restoring b (4 bytes)",
                    f"cipherbucket: skipped a ({under_way})",
                    "cipherbucket: skipped warm (not archived)",
                ],
            )
            nothing = "cipherbucket: would restore 0 objects, 0 bytes"
            assert restored("-n")[1] == [f"{nothing}; 2 {under_way}; 1 not archived"]
            late = timedelta(seconds=90)
            assert restored("-n") == (
                [f"skipped {name} (readable already)" for name in "ab"],
                [f"{nothing}; 1 not archived; 2 readable already"],
            )
            facts = [json.loads(line) for line in restored("--json")[0]]
            assert sorted((each["name"], each["reason"]) for each in facts) == [
                ("a", "readable already"),
                ("b", "readable already"),
                ("warm", "not archived"),
            ]

    def test_all_below_a_folder_but_what_is_not_archived(
        self, env: dict[str, str], plain: cb.Bucket
    ) -> None:
        for name in ("a", "b"):
            plain.put(f"r/{name}", b"cold", headers=ARCHIVED)
        plain.put("r/warm", b"warm")
        dry = run(env, "restore", "-rn", "oss://plain/r")
        assert sorted(dry.stdout.splitlines()) == [
            "would restore r/a (4 bytes)",
            "would restore r/b (4 bytes)",
        ]
        with pytest.raises(cb.StoreError, match="must be restored"):
            plain.get("r/a")
        result = run(env, "restore", "-r", "--json", "oss://plain/r")
        facts = [json.loads(line) for line in result.stdout.splitlines()]
        assert sorted((each["action"], each["name"]) for each in facts) == [
            ("restoring", "r/a"),
            ("restoring", "r/b"),
            ("skipped", "r/warm"),
        ]
        assert result.stderr.splitlines()[-1] == (
            "cipherbucket: restoring 2 objects, 8 bytes; 1 not archived"
        )
        assert plain.get("r/b").read() == b"cold"

    def test_a_version(self, env: dict[str, str], plain_kept: cb.Bucket) -> None:
        old = plain_kept.put("cold", b"old", headers=ARCHIVED).version_id
        plain_kept.put("cold", b"new")
        run(env, "restore", "--version-id", old, "oss://kept/cold")
        missing = run(env, "restore", "--version-id", f"{old}0", "oss://kept/cold", code=3)
        assert "no such version" in missing.stderr
        assert missing.stderr.count("\n") == 1
        assert plain_kept.get("cold", version_id=old).read() == b"old"

    def test_what_is_not_there_or_has_no_archive(self, env: dict[str, str], url: str) -> None:
        run(env, "restore", "oss://plain/none", code=3)
        run(env, "restore", "-r", "oss://plain/none/", code=3)
        assert "has no archive" in error_of(run({}, "restore", f"{url}/a", code=2))
        assert "has no archive" in error_of(run({}, "restore", "-rn", f"{url}/a", code=2))
        assert "--days" in error_of(run({}, "restore", "--days", 0, "oss://plain/a", code=2))


def test_ls_shows_classes_of_storage(env: dict[str, str], plain: cb.Bucket) -> None:
    plain.put("class/cold", b"cold", headers=ARCHIVED)
    plain.put("class/warm", b"warm")
    lines = run(env, "ls", "-l", "oss://plain/class/").stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["Archive", "Standard"]
    listed = run(env, "ls", "--json", "oss://plain/class/").stdout.splitlines()
    assert [json.loads(line)["storage_class"] for line in listed] == ["Archive", "Standard"]
