"""The part of `syncer check` that looks at EngageLab: the login, and whether each template fits its rule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import gsm, phones, templates, wording
from syncer.errors import SyncerError
from syncer.model import WAITING, Booking, Event, Host, Invitee
from syncer.recipients import Recipient, template_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from syncer.cli.checking import Checklist
    from syncer.config import Settings
    from syncer.engagelab import EngageLab, Template
    from syncer.rules import Rule


def check_engagelab(facts: Checklist, settings: Settings) -> None:
    """Check the login, and each template of each rule."""
    from syncer.cli.building import a_gateway

    with a_gateway(settings) as gateway:
        try:
            found = {template.id: template for template in gateway.templates()}
        except SyncerError as error:
            facts.fail(f"ENGAGELAB_DEV_KEY, ENGAGELAB_DEV_SECRET: {error}", error.remedy)
            return
        facts.ok(f"ENGAGELAB_DEV_KEY, ENGAGELAB_DEV_SECRET: logged in, {len(found)} templates")
        unsigned = _unapproved_signatures(facts, gateway, found)
    countries, changed = _from_database(settings, found)
    for rule in settings.policy.rules:
        for ident in dict.fromkeys(rule.templates.values()):
            name = f"rule {rule.name}, template {ident}"
            template = found.get(ident)
            if template is None:
                remedy = "Correct the id (the rule's template or TEMPLATE_ID_*)"
                facts.fail(f"{name}: does not exist at EngageLab", remedy)
                continue
            faults, doubts = list(_faults(template, rule, unsigned)), list(_doubts(template, rule))
            if uncovered := sorted(c for c in countries.get(ident, ()) if not templates.covers(template, c)):
                told = f"is declared for {', '.join(template.countries)}, but texts go to {', '.join(uncovered)}"
                remedy = (
                    "Add them there (whether EngageLab refuses others is not known), or set phones.allowed_countries"
                )
                doubts.append((told, remedy))
            for fault, remedy in faults:
                facts.fail(f"{name}: {fault}", remedy)
            for doubt, remedy in doubts:
                facts.warn(f"{name}: {doubt}", remedy)
            if not faults:
                _describe(facts, f"{name}:", template, rule, settings, changed=ident in changed)


def _unapproved_signatures(facts: Checklist, gateway: EngageLab, found: Mapping[str, Template]) -> set[str]:
    """Ask for the signatures, where a template does not tell how its own stands."""
    if all(not one.sign_id or one.sign_status is not None for one in found.values()):
        return set()
    try:
        return {one.id for one in gateway.signatures() if not one.usable}
    except SyncerError as error:
        facts.warn(f"signatures: {error}", error.remedy)
        return set()


def _from_database(settings: Settings, found: Mapping[str, Template]) -> tuple[dict[str, set[str]], list[str]]:
    """Read which countries texts of each template go to, and which wordings are not what they were."""
    from syncer.store import Store, database

    allowed = set(settings.policy.allowed_countries)
    countries = {ident: set(allowed) for rule in settings.policy.rules for ident in rule.templates.values()}
    try:
        with Store(database.open_read_only(settings.db)) as store:
            for message in store.messages(states=sorted(WAITING)):
                countries.setdefault(message.template, set()).add(phones.country(message.to))
            return countries, store.changed_wordings({one.id: one.content for one in found.values()})
    except SyncerError:
        return countries, []  # there is none yet, or its own line says what is wrong with it


def _faults(template: Template, rule: Rule, unsigned: set[str]) -> list[tuple[str, str]]:
    """List what is wrong with a template for a rule, each with what to do."""
    faults = []
    if reason := template.why_not_usable():
        faults.append((reason, "Its messages wait until EngageLab has approved it"))
    elif template.sign_id in unsigned:
        faults.append(("its signature is not approved", "Its messages wait until EngageLab has approved it"))
    if missing := templates.holes(template, rule.params):
        remedy = "Fill them in the rule's params, or take them out of the template"
        faults.append((f"the rule does not fill {', '.join(missing)}", remedy))
    return faults


def _doubts(template: Template, rule: Rule) -> list[tuple[str, str]]:
    """List what is odd about a template for a rule and keeps no text back, each with what to do."""
    if unused := templates.spare(template, rule.params):
        remedy = "Take them out of the rule's params, or put them into the template"
        return [(f"the template does not have {', '.join(unused)}", remedy)]
    return []


def _describe(
    facts: Checklist, name: str, template: Template, rule: Rule, settings: Settings, *, changed: bool
) -> None:
    """Say what is good about a template, how long its texts are, and what is odd."""
    from syncer.cli.building import now
    from syncer.config.conflicts import languages_of

    said = [f"approved, variables {', '.join(sorted(wording.variables(template.content))) or 'none'}"]
    used = [
        language
        for language in languages_of(rule, settings)
        if template_for(rule, language, settings.policy.language)[1] == template.id
    ]
    written = {template_for(rule, language, settings.policy.language)[0] for language in used}
    longest = 0
    for language in sorted(written):
        text = wording.preview(template, _sample(rule, settings, language, now()))
        longest = max(longest, wording.segments(text))
        said.append(
            f"about {wording.segments(text)} SMS in {gsm.in_words(text)}"
            + (f" ({language})" if len(written) > 1 else "")
        )
    if len(written) > 1:
        said.append("one text for all these languages, with dates in each")
    if changed:
        said.append("its wording is not what it was")
    if longest > settings.segments_per_message:
        facts.fail(f"{name} {'; '.join(said)}", "That is over limits.segments_per_message: its texts would be skipped")
    else:
        facts.ok(f"{name} {'; '.join(said)}")


def _sample(rule: Rule, settings: Settings, language: str, at: datetime) -> dict[str, str]:
    """Fill a rule's params for a made-up booking tomorrow; what would be empty there is ten letters long."""
    event = Event(
        uri="",
        name="Consultation",
        status="active",
        start=at + timedelta(days=1),
        end=at + timedelta(days=1, minutes=30),
        hosts=(Host("", "", "Mara Lindqvist"),),
    )
    zone = settings.policy.timezone
    person = Invitee(uri="", event="", name="Ines Okafor", email="ines.okafor@example.com", timezone=zone)
    one = Recipient(number="", country="", language=language, timezone=zone)
    booking = Booking(event=event, invitee=person, seen_at=at, read_at=at)
    filled = {}
    for variable, text in rule.params.items():
        value = wording.render_one(text, rule, booking, one, settings.policy)
        filled[variable] = value if isinstance(value, str) else "x" * 10
    return filled
