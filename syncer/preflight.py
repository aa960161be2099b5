"""Looks at the templates before anything leaves: approved, filled, not too long; and tells what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import phones, templates
from syncer.errors import NotConnected, NoUsableAnswer, RunHalted
from syncer.reasons import Reason
from syncer.sending import Course, as_they_leave, halt, tell_once

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
            halt(self.run, self.course, str(error), error.remedy or "syncer check")
            return None
        except (NotConnected, NoUsableAnswer) as error:
            # Not the end of all sending in this run: the next batch asks again.
            reason = f"EngageLab could not be asked for its templates: {error}"
            self.run.report.deferred += len(due)
            self.run.tell("sending.deferred", reason=str(Reason.OUTAGE), detail=reason, count=len(due))
            for message in due:
                self.run.store.note(message, Reason.OUTAGE, self.run.clock(), reason)
            return None
        self._notice(course.templates)
        fit = [message for message in due if self._is_fitting(message, course.templates.get(message.template))]
        return as_they_leave(self.run, course, fit, self.run.clock())

    def _notice(self, found: Mapping[str, Template]) -> None:
        """Tell when a template that a rule uses says something else than it did."""
        rules = {template: rule.name for rule in self.run.settings.policy.rules for template in rule.templates.values()}
        wordings = {template: found[template].content for template in rules if template in found}
        for template in self.run.store.notice_wordings(wordings, self.run.clock()):
            self.run.tell("template.changed", template=template, rule=rules[template])

    def _is_fitting(self, message: Message, template: Template | None) -> bool:
        """Whether a message's template lets it leave; if not, it waits."""
        reason = templates.why_held(template, message)
        if template is None or reason:
            self.run.store.note(message, Reason.HELD_TEMPLATE, self.run.clock(), reason)
            self.run.report.deferred += 1
            told = {"template": message.template, "rule": message.rule, "reason": reason}
            tell_once(self.run, self.course, reason, "template.rejected", **told)
            return False
        if not templates.covers(template, country := phones.country(message.to)):
            reason = f"template {template.id} is declared for {', '.join(template.countries)}, not for {country}"
            tell_once(self.run, self.course, reason, "limit.reached", limit="country_codes", value=0, reason=reason)
        return True
