"""No secret is compared in a way whose time tells how much of it was right."""

import ast
import re
from pathlib import Path

import mailer

#: What a name of a secret ends in. Digests are looked up by, and say nothing of what they are of.
_SECRET = re.compile(r"(^|_)(token|secret|signature|mac|hmac|password|passphrase)$")


def names_compared(node):
    """Yield the last names of what a comparison by == or != is about."""
    if any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
        for side in (node.left, *node.comparators):
            yield getattr(side, "id", "") or getattr(side, "attr", "")


def test_secrets_are_compared_in_constant_time():
    """By `hmac.compare_digest`, which is what is left when == and != are none of them."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(mailer.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(_SECRET.search(name) for name in names_compared(node))
    ]
    assert [] == found


def test_the_rule_sees_what_it_is_to_see():
    """A comparison of a token is found, that of a digest in the database is not."""
    (bad,) = ast.parse("request.token == known.token").body
    (good,) = ast.parse("row.token_digest == token_digest").body
    assert [True, True] == [bool(_SECRET.search(one)) for one in names_compared(bad.value)]
    assert [False, False] == [bool(_SECRET.search(one)) for one in names_compared(good.value)]
