"""What the DNS says of senders' domains, and whether a received mail came through as it left.

In: senders, relays, a resolver, a mail. Out: records to paste into a zone, and findings. This is
the one room that asks the DNS and verifies signatures.
"""
