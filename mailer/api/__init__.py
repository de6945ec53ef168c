"""The API beside the desk, at /api/v1: what other programs may do, by tokens of their own."""
