"""Whether a template of EngageLab's fits what a rule fills it with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.wording import variables

if TYPE_CHECKING:
    from collections.abc import Collection

    from syncer.model import Message
    from syncer.ports import Template


def holes(template: Template, given: Collection[str]) -> list[str]:
    """Name the variables of a template that nobody fills: the gateway would send them literally, braces and all."""
    return sorted(variables(template.content) - set(given))


def spare(template: Template, given: Collection[str]) -> list[str]:
    """Name what a rule fills and the template does not have; whether the gateway takes that is not documented."""
    return sorted(set(given) - variables(template.content))


def covers(template: Template, country: str) -> bool:
    """Whether a template was declared for a number's country; whether others are refused is not documented."""
    return not template.countries or not country or country in template.countries


def why_held(template: Template | None, message: Message) -> str:
    """Say why a message must wait for its template; empty = it need not."""
    if template is None:
        return f"template {message.template} does not exist at EngageLab"
    if reason := template.why_not_usable():
        return f"template {message.template}: {reason}"
    if missing := holes(template, message.params):
        return f"template {message.template} has {{{', '.join(missing)}}}, which rule {message.rule} does not fill"
    return ""
