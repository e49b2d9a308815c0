"""Where format and keys meet: seal, unseal, and the policy of what is accepted."""
