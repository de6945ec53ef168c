"""The pages supporters see: a statement's web view, and leaving lists."""
