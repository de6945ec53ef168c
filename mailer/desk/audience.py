"""Lists, audiences, and segments built by clicking.

In: forms. Out: pages. Whoever is counted is counted apart from the page, since a million takes a moment;
without scripts a link leads to the figures. Nobody is named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.responses import Response

from mailer.app.audience import EXCLUDE, SEGMENT, AudienceCounts, audience_of
from mailer.app.saving_segments import remove_segment, save_segment
from mailer.app.segments import attributes_of
from mailer.app.workspace import Workspace
from mailer.audience.building import problems_of as row_problems
from mailer.audience.building import read_form, write_expression
from mailer.audience.segments import Place, read_expression
from mailer.desk import segment_rows
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import problems_of
from mailer.desk.routes import ALL_STAFF, SENDERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.whom import as_saved, saved_of, segment_choices, whom_from
from mailer.desk.words import skip_reason
from mailer.model.audience import Attribute, ListDefinition
from mailer.model.faults import FaultsFound
from mailer.model.segment_forms import RowProblem, SegmentForm
from mailer.model.staff import StaffRole
from mailer.model.statement import localized
from mailer.statements.languages import country_name, language_name
from mailer.store.audience import unfinished_imports
from mailer.store.audience_counts import members_by_language

#: Rows of a breakdown that are shown; the rest is one row.
_SHOWN = 40
_TEXT = "text"
_FIELDS = {f"--{name}": name for name in (SEGMENT, EXCLUDE)}


class Audience:
    """The routes of lists, counts and segments."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        segment = "/audience/segments/{key}"
        return (
            Route(see, "/audience", "audience", self.show, ALL_STAFF),
            Route(see, "/audience/members", "audience-members", self.members, ALL_STAFF),
            Route(see, "/audience/count", "audience-count", self.ask_count, ALL_STAFF),
            Route(see, "/audience/counted", "audience-counted", self.counted, ALL_STAFF),
            Route(see, "/audience/new-segment", "new-segment", self.ask_segment, SENDERS),
            Route(change, "/audience/new-segment", "new-segment", self.build, SENDERS),
            Route(see, segment, "segment", self.show_segment, ALL_STAFF),
            Route(change, segment, "segment", self.build, SENDERS),
            Route(change, f"{segment}/remove", "remove-segment", self.remove, SENDERS),
        )

    def show(self, visit: Visit) -> Response:
        """Show lists and saved segments."""
        workspace = self._desk.workspace.reread()
        saved, broken = saved_of(workspace)
        with self._desk.store.read() as connection:
            unfinished = unfinished_imports(connection)
        definitions, faults = workspace.lists
        return visit.page(
            "audience.html",
            lists=[
                {
                    "key": key,
                    "name": localized(one.name, visit.language, "en"),
                    "owner": one.owner,
                    "discreet": one.discreet,
                    "unfinished": unfinished.get(key, 0),
                }
                for key, one in sorted(definitions.items())
            ],
            segments=list(saved.by_key.values()),
            faults=[visit.fault(one).whole for one in (*faults, *saved.faults, *broken)],
        )

    def members(self, visit: Visit) -> Response:
        """Show how many are on each list, by first language."""
        with self._desk.store.read() as connection:
            members = members_by_language(connection)
        lists = [
            {
                "name": localized(definition.name, visit.language, "en"),
                "people": sum(members.get(key, {}).values()),
                "by_language": [
                    (_language(visit, tag), count)
                    for tag, count in sorted(members.get(key, {}).items(), key=lambda one: -one[1])
                ],
            }
            for key, definition in sorted(self._desk.workspace.reread().lists[0].items())
        ]
        template = "_members.html" if visit.query("part") else "members.html"
        return visit.page(template, lists=lists)

    def ask_count(self, visit: Visit) -> Response:
        """Show the form that asks for an audience, and where it is filled in, its count."""
        workspace = self._desk.workspace.reread()
        chosen = visit.request.query_params.getlist("list")
        asked = whom_from(visit.query)
        problems = problems_of(visit, asked.faults(visit), _FIELDS)
        texts = asked.segment.text, asked.exclude.text
        return visit.page(
            "audience_count.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            lists=_list_choices(visit, workspace),
            chosen=chosen,
            whom=asked if problems else as_saved(workspace, *texts),
            problems=problems,
            segments=segment_choices(workspace),
            may_build=visit.may(*SENDERS),
            asked=_counted_query(chosen, *texts) if chosen and not problems else "",
        )

    def counted(self, visit: Visit) -> Response:
        """Count an audience, and show what came out."""
        workspace = self._desk.workspace.reread()
        chosen = visit.request.query_params.getlist("list") or sorted(workspace.lists[0])
        found, problem = None, ""
        try:
            found = audience_of(
                workspace, list(dict.fromkeys(chosen)), visit.query(SEGMENT), visit.query(EXCLUDE)
            )
        except FaultsFound as error:
            problem = joined(problems_of(visit, error.faults, {}).values())
        template = "_audience_counts.html" if visit.query("part") else "audience_counted.html"
        return visit.page(
            template,
            problem=problem,
            counted=_figures(visit, found, workspace.lists[0]) if found else None,
        )

    def ask_segment(self, visit: Visit) -> Response:
        """Show an empty form."""
        return self._page(visit, self._desk.workspace.reread(), "", "", "", SegmentForm())

    def show_segment(self, visit: Visit) -> Response:
        """Show a saved segment as a form, or as text where no form can show it."""
        workspace = self._desk.workspace.reread()
        saved, _ = saved_of(workspace)
        one = saved.by_key.get(visit.path["key"])
        if one is None:
            raise visit.not_found()
        try:
            read_expression(one.text, _attributes(workspace), one.place, saved)
            form = read_form(one.text)
        except FaultsFound:
            form = None
        return self._page(visit, workspace, one.key, one.name, one.text, form)

    def build(self, visit: Visit) -> Response:
        """Add or take away a row, show what the form says, or save it."""
        workspace = self._desk.workspace.reread()
        sent, action = visit.form, visit.form.text("do")
        key, name = visit.path.get("key") or sent.text("key"), sent.text("name")
        attributes = _attributes(workspace)
        if sent.text("mode") == _TEXT:
            return self._from_text(visit, workspace, key, name)
        form = segment_rows.changed(segment_rows.read(sent), action)
        problems = row_problems(form, attributes)
        text = "" if problems else write_expression(form)
        if action == "as-text":
            return self._page(visit, workspace, key, name, text, None)
        if action == "save" and not problems:
            return self._save(visit, workspace, key, name, text, form)
        asked = action in ("save", "look")
        told = {
            f"row-{segment_rows.EXCLUDED if one.group == len(form.groups) else one.group}-{one.row}":
            visit.say(segment_rows.FAULTS[one.fault])
            for one in problems
        }  # fmt: skip
        return self._page(
            visit, workspace, key, name, text, form, told if asked else {},
            row_faults=problems if asked else [],
        )  # fmt: skip

    def _from_text(self, visit: Visit, workspace: Workspace, key: str, name: str) -> Response:
        text, action = visit.form.lines("expression").strip(), visit.form.text("do")
        saved, _ = saved_of(workspace)
        try:
            read_expression(text, _attributes(workspace), Place("expression"), saved)
        except FaultsFound as error:
            told = problems_of(visit, error.faults, {"expression": "expression"})
            return self._page(visit, workspace, key, name, text, None, told)
        form = read_form(text)
        if action == "save":
            return self._save(visit, workspace, key, name, text, None)
        told = {}
        if action == "as-form" and form is None:
            told = {"expression": visit.say("No form can show this expression: it stays text")}
        return self._page(
            visit, workspace, key, name, text, form if action == "as-form" else None, told
        )

    def _save(
        self,
        visit: Visit,
        workspace: Workspace,
        key: str,
        name: str,
        text: str,
        form: SegmentForm | None,
    ) -> Response:
        told: dict[str, str] = {}
        if not text:
            told[""] = visit.say("A segment of everybody need not be saved: fill in a row")
        else:
            try:
                save_segment(workspace, visit.actor, key, name, text, visit.form.text("seen"))
            except FaultsFound as error:
                told = problems_of(
                    visit,
                    error.faults,
                    {
                        "key": "key",
                        "name": "name",
                        "expression": "expression" if form is None else "",
                    },
                )
        if told:
            return self._page(visit, workspace, key, name, text, form, told)
        return visit.go("segment", key=key, said="saved")

    def _page(
        self,
        visit: Visit,
        workspace: Workspace,
        key: str,
        name: str,
        text: str,
        form: SegmentForm | None,
        problems: dict[str, str] | None = None,
        row_faults: Sequence[RowProblem] = (),
    ) -> Response:
        attributes = _attributes(workspace)
        is_new = "key" not in visit.path
        seen = visit.form.text("seen") if visit.form.fields else ("" if is_new else text)
        return visit.page(
            "segment.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            is_new=is_new,
            key=key,
            name=name,
            text=text,
            seen=seen,
            form=None
            if form is None
            else segment_rows.shown(visit, form, attributes, list(row_faults)),
            problems=problems or {},
            may=visit.may(StaffRole.SENDER),
            counted=_counted_query((), text, "") if text and not problems else "",
        )

    def remove(self, visit: Visit) -> Response:
        """Take a saved segment away."""
        workspace = self._desk.workspace.reread()
        key = visit.path["key"]
        saved, _ = saved_of(workspace)
        one = saved.by_key.get(key)
        if one is None:
            return visit.go("audience", said="not-any-more")
        try:
            remove_segment(workspace, visit.actor, key)
        except FaultsFound as error:
            told = {"": joined(problems_of(visit, error.faults, {}).values())}
            return self._page(visit, workspace, key, one.name, one.text, read_form(one.text), told)
        return visit.go("audience", said="segment-removed")


def _attributes(workspace: Workspace) -> dict[str, Attribute]:
    return attributes_of(list(workspace.lists[0].values()))


def _list_choices(visit: Visit, workspace: Workspace) -> list[dict[str, str]]:
    return [
        {"key": key, "name": localized(one.name, visit.language, "en")}
        for key, one in sorted(workspace.lists[0].items())
    ]


def _counted_query(lists: Sequence[str], segment: str, exclude: str) -> str:
    pairs = [("list", one) for one in lists]
    pairs += [(name, text) for name, text in ((SEGMENT, segment), (EXCLUDE, exclude)) if text]
    return urlencode(pairs)


def _language(visit: Visit, tag: str) -> str:
    return language_name(tag, visit.language) if tag else visit.say("not known")


def _figures(
    visit: Visit, found: AudienceCounts, definitions: Mapping[str, ListDefinition]
) -> dict[str, object]:
    """Return figures as the page shows them."""
    unknown = visit.say("not known")
    return {
        "people": found.people,
        "on_lists": found.on_lists,
        "left_out": [(skip_reason(visit, reason), count) for reason, count in found.left_out.items()],
        "tables": [
            (visit.say("By the first language they accept"),
             [(_language(visit, tag), count) for tag, count in found.by_language.items()][:_SHOWN]),
            (visit.say("By country"),
             [(country_name(code, visit.language) if code else unknown, count)
              for code, count in found.by_country.items()][:_SHOWN]),
            (visit.say("By time zone"),
             [(zone or unknown, count) for zone, count in found.by_zone.items()][:_SHOWN]),
            (visit.say("By the list they are mailed through"),
             [(localized(definitions[key].name, visit.language, "en"), count)
              for key, count in found.by_list.items()]),
        ],
    }  # fmt: skip
