"""What setting a source up takes, and when not to touch it: pure, over what `survey` read.

The set-up is two transactions. The first installs event triggers that look after tables created from then on.
The second waits until tables created before, by transactions still open, have come to light; then it gives
every table an identity and publishes the schemas. In one transaction a keyless table that somebody is just
creating would be published unseen, and its UPDATEs would fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msr_stream.source.queries import load

# Lists of schemas in a publication came with 15.
OLDEST_VERSION = 150000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be captured.

    Attributes:
        publication: its name.
        capture_role: the connector's user, which is granted what it needs; None: nobody is.
        schemas: these only; None: every schema but the system's, also later ones.
    """

    publication: str = "msr_publication"
    capture_role: str | None = None
    schemas: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, and why it is run in one line."""

    explanation: str
    statement: str
    kind: str = "install"


@dataclass(frozen=True, slots=True)
class Server:
    """What the query `server` reads; its columns, by name."""

    version: int
    database: str
    role: str
    standby: bool
    wal_level: str
    superuser: bool
    max_slots: int
    slots: int
    own_slots: int
    max_senders: int
    senders: int
    keep_size: str
    event_triggers: str
    publication: str | None
    capture_role_exists: bool
    capture_role_replicates: bool
    stamp: str | None
    triggers: int
    installed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The two transactions; both empty: nothing to do."""

    install: tuple[Step, ...] = ()
    publish: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.install or self.publish)


def refusal(server: Server, wish: Wish) -> str | None:
    """Why this source is not touched, in one line that says what to do; None if nothing is in the way.

    The right to do it is not among the reasons: see `needs_superuser`.
    """
    publication, role = quote(wish.publication), quote(wish.capture_role or "")
    reasons = (
        (
            server.version < OLDEST_VERSION,
            f"PostgreSQL {server.version // 10000} cannot publish whole schemas; 15 or later can",
        ),
        (server.standby, "This server is a standby: prepare the primary, what is done there arrives here"),
        (
            server.wal_level != "logical",
            f"wal_level is {server.wal_level}: run ALTER SYSTEM SET wal_level = logical, restart the server",
        ),
        (
            server.event_triggers == "off",
            "event_triggers is off: tables created later would not be covered; set it to on",
        ),
        (
            server.publication == "all tables",
            f"Publication {publication} is FOR ALL TABLES: UPDATEs fail; name another with --publication",
        ),
        (
            server.publication == "foreign",
            f"Publication {publication} was not made by MSR: name another with --publication",
        ),
        (
            not server.own_slots and server.slots >= server.max_slots,
            f"All {server.max_slots} replication slots are taken: drop one, or raise max_replication_slots",
        ),
        (
            not server.own_slots and server.senders >= server.max_senders,
            f"All {server.max_senders} WAL senders are taken: raise max_wal_senders and restart the server",
        ),
        (
            wish.capture_role is not None and not server.capture_role_exists,
            f"Role {role} does not exist: run CREATE ROLE {role} LOGIN REPLICATION PASSWORD '...'",
        ),
        (
            wish.capture_role is not None and not server.capture_role_replicates,
            f"Role {role} may not replicate: run ALTER ROLE {role} REPLICATION",
        ),
    )
    return next((reason for applies, reason in reasons if applies), None)


def needs_superuser(server: Server, plan: Plan) -> str | None:
    """Why somebody else has to run this plan, in one line; None if this role may."""
    if server.superuser or not plan:
        return None
    wanted = [
        what
        for what in ("CREATE EVENT TRIGGER", "TABLES IN SCHEMA", "ALTER TABLE", "GRANT")
        if any(what in step.statement for step in (*plan.install, *plan.publish))
    ]
    return (
        f"Role {quote(server.role)} is not a superuser, which {', '.join(wanted) or 'this'} needs: "
        "have the SQL above run by one"
    )


def installation(server: Server, wish: Wish, known: Wish | None) -> tuple[Step, ...]:
    """What the first transaction installs: all of it, only the wish, or nothing.

    Args:
        server: What is there.
        wish: What is to be captured.
        known: What the event triggers do at present for this publication.
    """
    steps: list[Step] = []
    stamp = f"MSR capture {fingerprint()}"
    if not server.installed or server.stamp != stamp or server.triggers != 2:
        gaps = load("gaps")["gaps"].sql
        steps += [
            Step(query.description, query.sql.replace("{gaps}", gaps).replace("{stamp}", stamp))
            for query in load("install").values()
        ]
    if wish != known:
        steps.append(Step("What the event triggers are to cover", remember(wish)))
    return tuple(steps)


def fingerprint() -> str:
    """Changes whenever the text that is installed does."""
    parts = [query.sql for file in ("gaps", "install") for query in load(file).values()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def remember(wish: Wish) -> str:
    """The statement that tells the event triggers what to cover."""
    schemas = "NULL" if wish.schemas is None else f"ARRAY[{', '.join(map(literal, wish.schemas))}]::name[]"
    role = "NULL" if wish.capture_role is None else literal(wish.capture_role)
    return (
        "INSERT INTO msr_capture.capture (publication, capture_role, schemas)\n"
        f"VALUES ({literal(wish.publication)}, {role}, {schemas})\n"
        "ON CONFLICT (publication)\n"
        "DO UPDATE SET capture_role = excluded.capture_role, schemas = excluded.schemas"
    )


def script(plan: Plan) -> str:
    """The plan as SQL for psql: statement by statement what a run without `--dry-run` executes."""
    return "\n".join(line for steps in transactions(plan) for line in _transaction(steps))


def transactions(plan: Plan) -> list[tuple[Step, ...]]:
    """The plan with what goes around it, one tuple of steps per transaction."""
    result: list[tuple[Step, ...]] = []
    if plan.install:
        result.append((*around(), *plan.install))
    if plan.publish:
        result.append((*around(wait=publishes(plan)), *plan.publish))
    return result


def publishes(plan: Plan) -> bool:
    """Whether the second transaction does more than grant, so that it must know every table."""
    return any(step.kind != "grant" for step in plan.publish)


def around(*, wait: bool = False) -> tuple[Step, ...]:
    """What a transaction begins with.

    Args:
        wait: Also wait for the transactions that were creating tables before the event triggers were there.
    """
    queries = load("apply").values()
    return tuple(Step(query.description, query.sql) for query in queries if wait or query.name != "wait")


def _transaction(steps: Iterable[Step]) -> Sequence[str]:
    lines = ["BEGIN;"]
    for step in steps:
        lines += [f"-- {step.explanation}", f"{step.statement};"]
    return [*lines, "COMMIT;", ""]


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal (standard_conforming_strings, as every version that is supported has it)."""
    return "'" + text.replace("'", "''") + "'"
