"""Looks at the templates before anything leaves: approved, filled, not too long; and tells what is odd about them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import phones, templates, wording
from syncer.errors import NotConnected, NoUsableAnswer, Overtaken, RunHalted
from syncer.model import State
from syncer.reasons import Reason
from syncer.sending import Course, halt, say_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncer.model import Message
    from syncer.ports import Gateway, Template
    from syncer.run import Run


TEMPLATES_COUNT = timedelta(minutes=1)
"""How long the gateway's list of templates counts within a run."""


@dataclass(slots=True)
class Preflight:
    """The look at the templates of one run; `course` remembers what was told already."""

    run: Run
    gateway: Gateway
    course: Course

    def passed(self, due: Sequence[Message]) -> list[Message] | None:
        """Say which messages may leave as far as their templates go; None = nothing can leave.

        Its request also meets most faults of name, route and certificate before the first claim. What it finds counts
        for a minute: a first run sends between hundreds of batches.
        """
        now, course = self.run.clock(), self.course
        try:
            if course.listed_at is None or not timedelta() <= now - course.listed_at < TEMPLATES_COUNT:
                course.templates = {template.id: template for template in self.gateway.templates()}
                course.listed_at = now
        except RunHalted as error:
            halt(self.run, self.course, str(error))
            return None
        except (NotConnected, NoUsableAnswer) as error:
            # Not the end of all sending in this run: the next batch asks again.
            reason = f"EngageLab could not be asked for its templates: {error}"
            self.run.report.deferred += len(due)
            self.run.tell("limit.reached", limit="EngageLab", reason=reason, value=len(due))
            for message in due:
                self.run.store.note(message, Reason.OUTAGE, self.run.clock(), reason)
            return None
        self._notice(course.templates)
        return [fit for message in due if (fit := self._fitting(message, course.templates.get(message.template)))]

    def _notice(self, found: Mapping[str, Template]) -> None:
        """Tell when a template that a rule uses says something else than it did."""
        rules = {template: rule.name for rule in self.run.settings.policy.rules for template in rule.templates.values()}
        wordings = {template: found[template].content for template in rules if template in found}
        for template in self.run.store.notice_wordings(wordings, self.run.clock()):
            self.run.tell("template.changed", template=template, rule=rules[template])

    def _fitting(self, message: Message, template: Template | None) -> Message | None:
        """Give back a message that its template lets leave, with its length in SMS; None = it waits, or is too long."""
        reason = templates.why_held(template, message)
        if template is None or reason:
            self.run.store.note(message, Reason.HELD_TEMPLATE, self.run.clock(), reason)
            self.run.report.deferred += 1
            self._tell_once(reason, "template.rejected", template=message.template, rule=message.rule, reason=reason)
            return None
        parts, most = (
            wording.segments(wording.preview(template, message.params)),
            self.run.settings.segments_per_message,
        )
        if parts > most:
            reason = f"a text of rule {message.rule} would be {parts} SMS long"
            self._tell_once(reason, "limit.reached", limit="segments_per_message", value=most, reason=reason)
            with contextlib.suppress(Overtaken):  # an operator has moved it first
                gone = self.run.store.move(message, State.SKIPPED, Reason.TOO_LONG, self.run.clock())
                self.run.report.count("skipped")
                say_message(self.run.tell, "skipped", gone)
            return None
        if not templates.covers(template, country := phones.country(message.to)):
            reason = f"template {template.id} is declared for {', '.join(template.countries)}, not for {country}"
            self._tell_once(reason, "limit.reached", limit="country_codes", value=0, reason=reason)
        return replace(message, segments=parts)

    def _tell_once(self, what: str, event: str, /, **fields: object) -> None:
        if what not in self.course.rejected:
            self.run.tell(event, **fields)
        self.course.rejected.add(what)
