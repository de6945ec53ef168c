"""Webhooks of providers: requests verified and read, into events that are the same for all of them.

In: what was posted. Out: events, or a refusal that says nothing. No database: who calls stores each
event once, by source and id. `receiving` has what holds for every hook, `plugs` makes those that
config.toml names; `ses`, `postmark` and `mailgun` are ours.
"""
