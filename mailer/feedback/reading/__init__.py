"""What the world answers, read: octets of a message in, what it says of whom out; no database."""
