"""Seal objects: two keys that open them, a context, a range, and a swap that is found out.

Usage: sealed.py AES_KEY_FILE RECOVERY_KEY_FILE STORE_URL
"""

import sys

import cipherbucket as cb

if len(sys.argv) != 4:
    sys.exit(__doc__)
vault_file, recovery_file, store_url = sys.argv[1:]
vault_key, recovery_key = cb.load_key(vault_file), cb.load_key(recovery_file)

# Every new object is wrapped for the recovery key, too; its public half would do.
vault = cb.open_bucket(store_url, vault_key, format="sealed", recipients=[recovery_key])
context = {"bucket": "ledgers"}  # bound to the objects and stored nowhere
ledger = b"account,sum\n" + b"17,2,400\n" * 100_000
vault.put("ledger/2026.csv", ledger, context=context)

# A few bytes from the middle: one request, and authentic by themselves.
with cb.open_bucket(store_url, recovery_key, format="sealed") as recovery:
    print(
        "recovery key:",
        recovery.get("ledger/2026.csv", start=450_015, length=5, context=context).read(),
    )

# The day of loss is over: take the recovery key from this object. Its body is not touched.
cb.recipients.remove(vault, "ledger/2026.csv", recovery_key, context=context)
print("vault key:", vault.get("ledger/2026.csv", start=450_015, length=5, context=context).read())

# Somebody with access to the store puts it in another object's place.
store = cb.open_store(store_url)
store.copy("ledger/2026.csv", "ledger/2025.csv")
try:
    vault.get("ledger/2025.csv", context=context)
except cb.BindingError as error:
    print("not as ledger/2025.csv:", error.sealed_name)
