"""Amazon S3, and services that speak its protocol, as a store.

Rule: boto3 finds credentials, region and endpoint, writes and signs requests and repeats those that
failed; our HTTP sends them, and we read every answer (`answers`), since what comes back is input.
`store.S3Store` is flat: its methods call functions that take the client. `settings` needs neither
boto3 nor urllib3 (the extra ``s3``).
"""
