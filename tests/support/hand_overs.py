"""Two hosts with numbers of their own, hand-overs between them, and the texts that follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.calendly_moves import keys_of
from syncer.model import Host

if TYPE_CHECKING:
    from support.worker_on_fakes import WorkerOnFakes

MINUTE = timedelta(minutes=1)
ALL_TEMPLATES = {"TEMPLATE_ID_RESCHEDULE": "1006"}


MARA = Host("https://api.calendly.com/users/u1", "mara@northpier.example", "Mara Lindqvist")


JONAS = Host("https://api.calendly.com/users/u2", "jonas@northpier.example", "Jonas Weber")


MARAS_NUMBER, JONAS_NUMBER, OFFICE = "+13125550190", "+13125550191", "+13125550177"


HOSTS = f"""
[hosts]
"mara@northpier.example" = {{ phone = "{MARAS_NUMBER}" }}
"jonas@northpier.example" = {{ phone = "{JONAS_NUMBER}" }}
"""


def run(stage: WorkerOnFakes, later: timedelta = MINUTE) -> list[str]:
    """Let time pass and do one run; returns the texts that left, as `rule of event`, in the order of the alphabet."""
    stage.now += later
    before = len(stage.gateway.texts)
    stage.run()
    return sorted(keys_of(stage, before))


def hand_over(stage: WorkerOnFakes, event_uri: str, *hosts: Host) -> None:
    """Give an event other hosts."""
    stage.calendly.put(replace(stage.calendly.known[event_uri], hosts=hosts))


def numbers(stage: WorkerOnFakes, since: int) -> list[str]:
    """The numbers that were texted, from the so-many-th text on."""
    return [text.to for text in stage.gateway.texts[since:]]


RULES = """
[[rule]]
name = "handed-over"
on = "reassigned"
to = "{to}"
template = "1005"
"""
