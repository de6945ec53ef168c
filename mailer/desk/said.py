"""What a page says at its top after something was done and the browser was sent on to it.

In: a key in the address. Out: a phrase; a key that is not here says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailer.desk.phrases import mark

SAID: Mapping[str, str] = {
    "saved": mark("Saved"),
    "signed-out": mark("You are signed out"),
    "scheduled": mark("It is scheduled"),
    "paused": mark("It is paused. What was being sent is finished, the rest waits."),
    "resumed": mark("It goes on"),
    "cancelled": mark("It is cancelled. Who was not mailed yet will not be."),
    "released": mark("It is released"),
    "settled": mark("What was in doubt is settled"),
    "test-sent": mark("The test goes out within seconds, if the senders run"),
    "links-asked": mark("The links are being asked for. Load this page again in a minute."),
    "domain-asked": mark("The DNS was asked"),
    "dropped": mark("It is thrown away"),
    "not-any-more": mark(
        "It was changed meanwhile, by somebody else or in another window. This is how it stands now."
    ),
    "approval-asked": mark("The approvers are asked. They see it on their first page."),
    "draft-again": mark("It is a draft again"),
    "approved": mark("Your approval is on record"),
    "returned": mark("It is returned to its author, with your comment"),
    "password-changed": mark("Your password is changed. Your other sessions have ended."),
    "app-changed": mark("Your new app is taken. Your other sessions have ended."),
    "session-ended": mark("The session has ended"),
    "sessions-ended": mark("The sessions have ended"),
    "shut-out": mark("They are shut out, and their sessions have ended"),
    "let-in": mark("They may sign in again. Who never used their link needs a new one."),
    "token-ended": mark("The token opens nothing any more"),
    "link-ended": mark("The link leads nowhere any more"),
    "brought-in": mark("The files are taken"),
    "edition-removed": mark("The edition is taken away. Revisions keep it."),
    "revision-saved": mark("It is saved as a revision"),
    "revision-known": mark("These very words were saved before: that revision is the newest again"),
    "made-public": mark("It is public now"),
    "to-be-public": mark("It will be public at the hour that it names"),
    "segment-removed": mark("The segment is removed"),
    "discarded": mark("The file is deleted"),
    "undo-begun": mark("It is being taken back. Load the page again in a moment."),
    "joined": mark("They are on the list"),
    "joined-before": mark("They were on the list already"),
    "joined-suppressed": mark("They are on the list, and are not mailed: a suppression stands"),
    "joined-left": mark("They left this list by their own wish, and stay off it unless they ask"),
    "taken-off": mark("They are off the list"),
    "suppressed": mark("This address is mailed no more"),
    "lifted": mark("It is lifted"),
    "erased": mark("Everything on record of them is erased"),
}
