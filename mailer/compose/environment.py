"""Run templates in a Jinja2 that can do nothing but print, choose and repeat.

In: template sources by name. Out: an environment that knows no globals, no tests, no arithmetic,
no calls but those of phrases, and reads dicts only. `mailer.compose.lifting` refuses the rest
before anything runs; what is here would refuse it again while running. Work is bounded by the size
of a source and of the statement: there are no loops but those over the statement's own lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateNotFound
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

#: A line below a heading of plain text is no longer than a narrow screen is wide.
LONGEST_UNDERLINE = 60
#: A larger source is refused unread.
MAX_SOURCE_CHARACTERS = 200_000
#: What a loop tells about itself.
LOOP_FIELDS = frozenset({"first", "last", "index"})


def underline(text: str, character: str = "-") -> str:
    """Set a heading of plain text, with a line drawn below it."""
    return f"{text}\n{character[:1] * min(len(str(text)), LONGEST_UNDERLINE)}"


#: Every filter there is, beside `default`, which belongs to slots and is taken out before.
FILTERS: Mapping[str, Callable[..., str]] = {"underline": underline}


class MailEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 for mail templates and bodies."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(ImmutableSandboxedEnvironment.default_unop_table)

    def __init__(self, loader: BaseLoader | None = None, *, html: bool) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=html,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            # Nothing is computed while compiling that the sandbox would refuse while running.
            optimized=False,
            cache_size=0,
        )
        self.globals = {}
        self.filters = dict(FILTERS)
        self.tests = {}

    def call_binop(self, _context: Any, operator: str, _left: Any, _right: Any) -> Any:  # noqa: ANN401  (Jinja2's signature.)
        """Refuse arithmetic."""
        raise SecurityError(f"{operator} is not allowed in a template")

    def call_unop(self, _context: Any, operator: str, _arg: Any) -> Any:  # noqa: ANN401  (Jinja2's signature.)
        """Refuse arithmetic."""
        raise SecurityError(f"{operator} is not allowed in a template")

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401  (Jinja2's signature.)
        """Read a key of a dict or the place in a loop, and nothing else of anything."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, _obj: Any, _argument: Any) -> Any:  # noqa: ANN401  (Jinja2's signature.)
        """Refuse subscripts."""
        raise SecurityError("subscripts are not allowed in a template")

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401  (Jinja2's signature.)
        """Allow what was made to be called by a template: the phrases."""
        return isinstance(obj, PhraseFunction)


class PhraseFunction:
    """`_` or `ngettext` in one language, for one kind of part."""

    def __init__(self, speak: Callable[..., str], *, html: bool) -> None:
        self._speak = speak
        self._html = html

    def __call__(self, *args: object, **values: object) -> str:
        """Return the phrase with its values; in HTML its own words are escaped, and values too."""
        if not self._html:
            return self._speak(*args, **values)
        # Phrase and values are escaped apart, since a slot's value is markup already.
        stand_ins = {name: f"\ue000{number}\ue001" for number, name in enumerate(values)}
        text = str(Markup.escape(self._speak(*args, **stand_ins)))
        for name, stand_in in stand_ins.items():
            text = text.replace(stand_in, Markup.escape(values[name]))
        return Markup(text)  # noqa: S704  (Every piece of it was escaped above.)


class LiftedLoader(BaseLoader):
    """Gives templates that were checked and lifted beforehand, by name; reads no file."""

    def __init__(self, code: Mapping[str, Any]) -> None:
        self._code = code

    def load(
        self,
        environment: Any,  # noqa: ANN401  (Jinja2's signature.)
        name: str,
        globals: Any = None,  # noqa: A002, ANN401  (Jinja2's signature.)
    ) -> Template:
        """Return the template of that name."""
        if name not in self._code:
            raise TemplateNotFound(name)
        template = environment.template_class.from_code(
            environment, self._code[name], globals if globals is not None else {}
        )
        assert isinstance(template, Template)  # noqa: S101  (Tells the type checker.)
        return template
