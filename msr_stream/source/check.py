"""Is a source still captured? One finding per line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msr_stream.source.prepare import Server, Step, Wish, fingerprint, refusal
from msr_stream.source.slots import SlotState, slot_state, slot_states
from msr_stream.source.survey import Remark, read_gaps, read_remarks, read_server, read_wish

# Log not read yet, in bytes, above which the capture is called behind.
MUCH_LAG = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        ok: Whether nothing has to be done.
        subject: What it is about.
        text: How it is, and what to do.
        note: Nothing is wrong, but somebody should know.
    """

    ok: bool
    subject: str
    text: str
    note: bool = False


async def check(connection: Any, publication: str, slot: str | None) -> list[Finding]:
    """Look at a source, from the server's settings to the slot.

    Args:
        connection: asyncpg, to the source database.
        publication: The publication's name.
        slot: The connector's slot; None: every slot of this database that it could be.
    """
    wish = await read_wish(connection, publication) or Wish(publication)
    server = await read_server(connection, wish)
    findings = server_findings(server, wish)
    if server.publication is not None:
        findings += gap_findings(await read_gaps(connection, wish))
        findings += remark_findings(await read_remarks(connection, wish))
    if not server.standby:
        slots = await slot_states(connection) if slot is None else [await slot_state(connection, slot)]
        findings += slot_findings(slots, server.keep_size)
    return findings


def server_findings(server: Server, wish: Wish) -> list[Finding]:
    """The settings, the publication and the event triggers."""
    reason = refusal(server, wish)
    findings = [Finding(server.wal_level == "logical", "wal_level", server.wal_level)]
    if reason is not None:
        findings.append(Finding(ok=False, subject="server", text=reason))
    again = "run `python -m msr_stream source prepare`"
    if server.publication is None:
        findings.append(Finding(ok=False, subject="publication", text=f"{wish.publication} does not exist: {again}"))
    elif server.publication == "ours":
        findings.append(Finding(ok=True, subject="publication", text=wish.publication))
    covered = server.triggers == 2 and server.stamp == f"MSR capture {fingerprint()}"
    text = "cover tables created later" if covered else f"are missing, switched off or of another version: {again}"
    findings.append(Finding(covered, "event triggers", text))
    return findings


def gap_findings(gaps: Iterable[Step]) -> list[Finding]:
    """Tables without an identity, tables not published, rights not granted."""
    names = {
        "identity": "tables without identity",
        "publication": "options of the publication",
        "publish": "tables not published",
        "grant": "rights of the capture",
    }
    by_kind: dict[str, list[str]] = {kind: [] for kind in names}
    for gap in gaps:
        by_kind[gap.kind].append(gap.statement)
    return [
        Finding(not missing, names[kind], "; ".join(missing) or "nothing is missing")
        for kind, missing in by_kind.items()
    ]


def remark_findings(remarks: Iterable[Remark]) -> list[Finding]:
    """What no statement of ours mends."""
    return [Finding(not remark.wrong, remark.subject, remark.text, note=not remark.wrong) for remark in remarks]


def slot_findings(slots: Sequence[SlotState], keep_size: str) -> list[Finding]:
    """The slots, and whether a stopped connector may fill the disk.

    Args:
        slots: What was found.
        keep_size: The setting max_slot_wal_keep_size.
    """
    findings = []
    for slot in slots:
        reader = "read" if slot.active else "not read"
        text = f"{slot.wal_status}, {reader}, {slot.lag_bytes or 0:,} bytes behind"
        behind = slot.lag_bytes is not None and slot.lag_bytes > MUCH_LAG
        advice = slot.advice or ("the capture does not keep up, or waits for a long transaction" if behind else None)
        findings.append(Finding(advice is None, f"slot {slot.name}", f"{text}: {advice}" if advice else text))
    if not slots:
        findings.append(
            Finding(ok=True, subject="slot", text="none yet: the connector makes it when it starts", note=True)
        )
    if keep_size == "-1":
        text = "no limit: while the connector stands still, the log grows until the disk is full"
        findings.append(Finding(ok=True, subject="max_slot_wal_keep_size", text=text, note=True))
    return findings
