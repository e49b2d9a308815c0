"""The lines of the transcripts, by command: each begins with what goes well."""

_SESAME = (("Passphrase of locked.pem: ", "open sesame\n"),)
_WRONG = (("Passphrase of locked.pem: ", "sesam\n"),)
_YES = (("[y/N]", "y\n"),)
_NO = (("[y/N]", "n\n"),)

LINES = {
    name: [f"cipherbucket {line}" for line in lines]
    for name, lines in {
        "audit": [
            "audit -k mine.pem oss://ledgers/shared/",
            "audit -k mine.pem --retire bob.pem oss://ledgers",
            "audit -k mine.pem oss://nowhere",
        ],
        "cat": [
            "cat -k mine.pem oss://ledgers/2026/q1.txt",
            "cat -k mine.pem --range 0-4 oss://ledgers/2026/q1.txt",
            "cat -k mine.pem oss://ledgers/2026/q3.txt",
            "cat -k mine.pem oss://ledgers/2026/of-bob.txt",
            "cat -k mine.pem oss://ledgers/2026/plain.txt",
            "cat oss://ledgers/2026/q1.txt",
            "cat",
        ],
        "completion": ["completion bash", "completion tcsh"],
        "config": ["config --help", "config", "config trsut"],
        "config trust": [
            "config trust theirs/cipherbucket.toml",
            "config trust missing.toml",
            "config trust notes.txt",
        ],
        "cp": [
            "cp -k mine.pem notes.txt oss://ledgers/notes.txt",
            "cp -k mine.pem -r reports oss://ledgers/reports",
            "cp -k mine.pem -r reports oss://ledgers/reports",
            "cp -k mine.pem -rn --workers 1 --exclude '2025/' reports oss://ledgers/once-more",
            "cp -k mine.pem -v --workers 1 oss://ledgers/2026/q1.txt down",
            "cp -k mine.pem -r --workers 1 oss://ledgers/2026 reports",
            "cp -k mine.pem -rv --workers 1 reports oss://kept/reports",
            "cp -k mine.pem -r --json --workers 1 reports/2025 oss://kept/2025",
            "cp -k mine.pem reports oss://ledgers/reports",
            "cp -k mine.pem missing.txt oss://ledgers/",
            "cp -k mine.pem --skip-existng notes.txt oss://ledgers/",
            "cp notes.txt reports",
        ],
        "demo": ["demo --help", "demo --dir notes.txt"],
        "diff": [
            "diff -k mine.pem oss://ledgers/2026 oss://ledgers/2026",
            "diff -k mine.pem reports oss://ledgers/2026",
            "diff -k mine.pem missing oss://ledgers/2026",
        ],
        "du": ["du oss://ledgers", "du -sh oss://ledgers oss://kept", "du oss://ledgers/none"],
        "keygen": [
            "keygen new.pem -d desc=new",
            "keygen new.aes --type aes -d desc=vault",
            "keygen new.pem",
            "keygen other.pem -d desc",
            "keygen --type dsa other.pem",
        ],
        "keys": ["keys -k mine.pem -k bob.pem.pub", "keys -k locked.pem", "keys -k missing.pem"],
        "keys check": [
            "keys check -k mine.pem oss://ledgers/2026/q1.txt",
            "keys check -k bob.pem oss://ledgers/2026/q1.txt",
            "keys check -k bob.pem oss://ledgers/shared/plan.txt",
            "keys check -k mine.pem oss://ledgers/2026/plain.txt",
        ],
        "ls": [
            "ls",
            "ls oss://ledgers",
            "ls -lr --total oss://ledgers",
            "ls -rh oss://ledgers/2026",
            "ls --versions oss://kept",
            "ls oss://ledgers/none",
            "ls oss://nowhere",
            "ls --versions file://$HOME/store",
            "ls fille:///data",
        ],
        "mb": ["mb file://$HOME/other", "mb file://$HOME/other", "mb oss://new"],
        "mv": [
            "mv -k mine.pem notes.txt oss://ledgers/notes.txt",
            "mv -v oss://ledgers/notes.txt oss://ledgers/moved.txt",
            "mv -k mine.pem -r reports oss://ledgers/reports",
            "mv -n --workers 1 'oss://ledgers/2026/q*.txt' oss://ledgers/2027/",
            "mv 'oss://ledgers/2026/x*.txt' oss://ledgers/2027/",
            "mv oss://ledgers/moved.txt oss://ledgers/moved.txt",
            "mv oss://ledgers/2026 oss://ledgers/2027",
        ],
        "presign": [
            "presign oss://ledgers/2026/q1.txt",
            "presign file://$HOME/store/a.txt",
            "presign --expires 30d oss://ledgers/2026/q1.txt",
        ],
        "recipients": ["recipients --help", "recipients lst oss://ledgers", "recipients"],
        "recipients list": [
            "recipients list oss://ledgers/shared/plan.txt",
            "recipients list -r oss://ledgers",
            "recipients list oss://ledgers/2026",
        ],
        "recipients add": [
            "recipients add -rn -k mine.pem --recipient locked.pem.pub oss://ledgers",
            "recipients add -k mine.pem --recipient locked.pem.pub oss://ledgers/shared/plan.txt",
            "recipients add -r -k mine.pem --recipient locked.pem.pub oss://ledgers",
            "recipients add -k mine.pem --recipient bob.pem.pub oss://ledgers/2026/q1.txt",
        ],
        "recipients remove": [
            "recipients remove -rn -k mine.pem --recipient desc=bob oss://ledgers",
            "recipients remove -k mine.pem --recipient desc=bob oss://ledgers/shared/plan.txt",
            "recipients remove -k mine.pem --recipient desc=bob oss://ledgers/shared/plan.txt",
            "recipients remove -k mine.pem --recipient desc=mine oss://ledgers/shared/plan.txt",
        ],
        "reencrypt": [
            "reencrypt -k mine.pem oss://ledgers/2026/q1.txt",
            "reencrypt -rn -k mine.pem oss://ledgers",
            "reencrypt -r -k mine.pem oss://ledgers/2026",
            "reencrypt -k mine.pem oss://ledgers/2026/of-bob.txt",
        ],
        "repair": [
            "repair -k mine.pem oss://ledgers/shared/plan.txt",
            "repair --index file://$HOME/store",
            "repair -k mine.pem oss://ledgers/2026/q1.txt",
            "repair --index oss://ledgers",
        ],
        "restore": [
            "restore oss://ledgers/old/1999.txt",
            "restore -rn oss://ledgers",
            "restore -r oss://ledgers",
            "restore oss://ledgers/old/2000.txt",
            "restore file://$HOME/store/a.txt",
        ],
        "rm": [
            "rm oss://ledgers/2026/plain.txt",
            "rm -rn oss://ledgers/2026",
            "rm -r oss://ledgers/2026",
            "rm -r oss://ledgers/shared",
            "rm oss://ledgers/old",
            "rm oss://ledgers/none",
            "rm -rf --include '*.txt' oss://ledgers/broken",
        ],
        "rotate": [
            "rotate -k bob.pem -k mine.pem oss://ledgers/2026/q1.txt",
            "rotate -rn -k bob.pem -k mine.pem oss://ledgers",
            "rotate -r -k bob.pem -k mine.pem oss://ledgers",
            "rotate -r -k locked.pem oss://ledgers/2026",
        ],
        "serve": ["serve --help", "serve --bucket A_B", "serve --port 99999"],
        "stat": [
            "stat -k mine.pem oss://ledgers/2026/q1.txt",
            "stat -k mine.pem oss://ledgers/shared/plan.txt",
            "stat oss://ledgers/2026/plain.txt",
            "stat oss://ledgers/none",
        ],
        "sync": [
            "sync -k mine.pem reports oss://ledgers/reports",
            "sync -k mine.pem reports oss://ledgers/reports",
            "sync -nk mine.pem --workers 1 --delete oss://ledgers/2026 reports",
            "sync -k mine.pem --delete missing oss://ledgers/reports",
            "sync -k mine.pem -u reports oss://ledgers/reports",
        ],
        "transfers": [
            "transfers",
            "transfers oss://ledgers",
            "transfers --clear oss://ledgers",
            "transfers --clear -f oss://ledgers",
            "transfers oss://nowhere",
        ],
        "verify": [
            "verify -k mine.pem oss://ledgers/2026/q1.txt",
            "verify -k mine.pem -rn oss://ledgers",
            "verify -k mine.pem -r oss://ledgers",
            "verify -k mine.pem oss://ledgers/none",
        ],
    }.items()
}
READERS = frozenset(
    {"audit", "cat", "completion", "config", "demo", "diff", "du", "keys", "keys check", "ls"}
    | {"presign", "recipients", "recipients list", "serve", "stat", "verify"}
)
"""Commands whose lines change nothing."""
TYPED = {
    "cipherbucket keys -k locked.pem": _SESAME,
    "cipherbucket rotate -r -k locked.pem oss://ledgers/2026": _WRONG,
    "cipherbucket rm -r oss://ledgers/2026": _NO,
    "cipherbucket rm -r oss://ledgers/shared": _YES,
    "cipherbucket transfers --clear oss://ledgers": _NO,
}
