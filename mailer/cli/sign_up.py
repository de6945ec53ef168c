"""`mailer sign-up`: the form for a site of yours, and one more confirmation for somebody.

In: a language; or one address, from a prompt or standard input and never from the command line. Out:
plain HTML; or what was done.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.app.barring import allow_sign_up
from mailer.app.sign_up import SignUpDesk
from mailer.audience.joining import Wish
from mailer.cli.common import WRONG_USE, console, fail, open_workspace, plain_errors, terminal_actor
from mailer.cli.supporters import Address, digest_asked_for
from mailer.web.public.joining import NotNow, form_languages, form_values
from mailer.web.public.pages import Pages

app = typer.Typer(
    help=("The form by which people put themselves on lists.\n\nExample: mailer sign-up form"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(
    "form",
    help="Print the form for a page of another site: plain HTML without script or style.\n\n"
    "Example: mailer sign-up form --language ru",
)
@plain_errors
def form_command(
    language: Annotated[
        str, typer.Option("--language", help="What the form speaks: a tag like ru.")
    ] = "en",
) -> None:
    """Print the form for a page of another site."""
    workspace = open_workspace()
    if not workspace.config.sign_up.lists:
        fail("There is no form: [sign_up] in config.toml names no list.", "See docs/sign-up.md")
    pages = Pages(workspace.page_catalogs)
    try:
        offer = SignUpDesk(workspace).offer()
        languages = form_languages(offer, pages.spoken)
    except NotNow as error:
        fail(f"Nobody can sign up now: {error.reason}", "Mend that first: mailer check")
    if language not in languages:
        fail(
            f'The form does not speak "{language}".',
            f"It speaks {', '.join(languages)}: those with a text under [sign_up.consent]",
            WRONG_USE,
        )
    values = form_values(offer, language, languages, Wish((), language))
    action = f"{workspace.config.web.base_url.rstrip('/')}/join"
    form = pages.render("_sign_up_form.html", language, "", problems={}, action=action, **values)
    typer.echo(form.strip())


@app.command(
    "allow",
    help="Let one person be sent a confirmation again who was sent three and used none.\n\n"
    "Example: mailer sign-up allow",
)
@plain_errors
def allow_command(address: Address = None) -> None:
    """Let one person be sent a confirmation again."""
    workspace = open_workspace()
    digest = digest_asked_for(workspace, address)
    known = allow_sign_up(workspace, terminal_actor(), digest)
    console.print(
        "This address can be sent a confirmation again, once the form is filled in for it."
        if known
        else "This address was sent no confirmation that counts."
    )


GROUPS = {"sign-up": app}
