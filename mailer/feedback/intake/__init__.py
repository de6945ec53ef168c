"""How messages that came back get in: by a pipe, from a Maildir, from a mailbox at a provider."""
