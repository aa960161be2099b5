"""EngageLab's side of the world: templates, signatures, and the texts that went out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncer.sandbox.ground import Ground, NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from syncer.sandbox.shapes import Record

TEMPLATE_CONFIRM = "2031460771195412480"
TEMPLATE_CANCEL = "2031460771195412481"
TEMPLATE_REMINDER = "2031460771195412482"
TEMPLATE_FOLLOWUP = "2031460771195412483"
TEMPLATE_HOST = "2031460771195412484"
TEMPLATE_RESCHEDULE = "2031460771195412485"
SIGNATURE = "2031455120098267136"
"""Id of the signature that all templates above carry."""

PENDING, APPROVED, REJECTED = 1, 2, 3
"""`status` of a template or signature."""
NO_SIGNATURE, PREFIX, SUFFIX = 0, 1, 2
"""`sign_position` of a template."""

_CONTENTS = (
    (TEMPLATE_CONFIRM, "Booking confirmed", "Hello {{name}}, your meeting is confirmed. Time: {{time}}"),
    (TEMPLATE_CANCEL, "Booking canceled", "Hello {{name}}, your booking is canceled."),
    (TEMPLATE_REMINDER, "Reminder", "Hello {{name}}, your meeting begins in {{advance}}. Time: {{time}}"),
    (TEMPLATE_FOLLOWUP, "Follow-up", "Hello {{name}}, thank you for your visit. See you again soon."),
    (TEMPLATE_HOST, "Host", "New booking: {{name}}, {{time}}"),
    (TEMPLATE_RESCHEDULE, "Booking moved", "Hello {{name}}, your meeting was moved. New time: {{time}}"),
)
# EngageLab documentation, "Create Template": characters and words that a template must not hold.
_FORBIDDEN = ("【", "】", "、", "[", "]", "测试", "test")
_VARIABLE = re.compile(r"\{\{([^{}\s]+)\}\}|\{([^{}\s]+)\}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it reached a phone.

    Attributes:
        at: when, aware UTC; for a scheduled send its future time.
        to: the number as the client wrote it.
        template_id: which template.
        params: what the client sent for its variables.
        body: what the person reads.
        plan_name: the client's label, `-` without one.
        custom_args: the client's tracking data.
        message_id: 19 digits, unique.
    """

    at: datetime
    to: str
    template_id: str
    params: Mapping[str, str]
    body: str
    plan_name: str = "-"
    custom_args: Mapping[str, object] = field(default_factory=dict)
    message_id: str = ""


class Texting(Ground):
    """`templates` and `signatures` by id, API-shaped; `texts` in the order they were accepted."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.signatures: dict[str, Record] = {}
        self.templates: dict[str, Record] = {}
        self.texts: list[Text] = []
        self.add_signature("North Pier Dental", sign_id=SIGNATURE, status=APPROVED)
        for ident, name, content in _CONTENTS:
            self.add_template(content, name=name, template_id=ident, status=APPROVED)

    def add_signature(self, name: str, *, sign_id: str | None = None, status: int = PENDING) -> str:
        """Add a signature of 2 to 60 characters and return its id; like the real one it waits for its review."""
        with self.lock:
            ident = sign_id or str(self.serial())
            at = int(self.now().timestamp())
            self.signatures[ident] = {
                "sign_id": ident,
                "sign_name": name,
                "status": status,
                "audit_remark": "",
                "created_time": at,
                "updated_time": at,
            }
            return ident

    def add_template(
        self,
        content: str,
        *,
        name: str = "A template",
        template_id: str | None = None,
        template_type: str = "utility",
        country_codes: str = "US,GB,DE",
        sign_id: str | None = SIGNATURE,
        sign_position: int = PREFIX,
        status: int = PENDING,
    ) -> str:
        """Add a template and return its id; like the real one it waits for `review` unless `status` says otherwise.

        Raises:
            NotPossible: the content holds what EngageLab forbids.
        """
        _refuse_forbidden(content)
        with self.lock:
            ident = template_id or str(self.serial())
            at = int(self.now().timestamp())
            signed = {} if sign_id is None else {"sign_id": sign_id, "sign_position": sign_position}
            self.templates[ident] = {
                "template_id": ident,
                "template_name": name,
                "template_type": template_type,
                "template_content": content,
                "country_codes": country_codes,
                "status": status,
                **signed,
                "audit_remark": "",
                "created_time": at,
                "updated_time": at,
            }
            return ident

    def edit_template(self, template_id: str, content: str) -> None:
        """Change a template's wording; it goes back to review."""
        _refuse_forbidden(content)
        with self.lock:
            at = int(self.now().timestamp())
            self.templates[template_id].update(template_content=content, status=PENDING, updated_time=at)

    def review(self, template_id: str, status: int, remark: str = "") -> None:
        """Set a template's review: 1 pending, 2 approved, 3 rejected (`remark` says why)."""
        with self.lock:
            at = int(self.now().timestamp())
            self.templates[template_id].update(status=status, audit_remark=remark, updated_time=at)

    def review_signature(self, sign_id: str, status: int, remark: str = "") -> None:
        """Set a signature's review; while it is not approved its templates cannot send."""
        with self.lock:
            at = int(self.now().timestamp())
            self.signatures[sign_id].update(status=status, audit_remark=remark, updated_time=at)

    def usable(self, template: Record) -> bool:
        """Say whether a template may be used: it is approved, and so is its signature if it has one."""
        sign = self.signatures.get(template.get("sign_id", ""))
        return bool(template["status"] == APPROVED and (sign is None or sign["status"] == APPROVED))

    def render(self, template: Record, params: Mapping[str, str]) -> str:
        """Write the text a person reads. A variable without a value stays as it is, braces included.

        Both `{{x}}` and `{x}` are replaced, since EngageLab's own pages show both. Signatures hold no brackets of their
        own; the sandbox adds them.
        """
        body = _VARIABLE.sub(lambda found: params.get(found[1] or found[2], found[0]), template["template_content"])
        sign = self.signatures.get(template.get("sign_id", ""))
        if sign is None or template["sign_position"] == NO_SIGNATURE:
            return body
        mark = f"[{sign['sign_name']}]"
        return f"{mark} {body}" if template["sign_position"] == PREFIX else f"{body} {mark}"


def _refuse_forbidden(content: str) -> None:
    for word in _FORBIDDEN:
        if word in content.lower():
            raise NotPossible(f"A template must not hold {word!r}")
