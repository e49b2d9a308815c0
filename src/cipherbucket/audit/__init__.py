"""What lies in a bucket, and under which key."""
