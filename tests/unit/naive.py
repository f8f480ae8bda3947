"""A second reading of the captures, as plain as can be: what the decoder is held against.

It uses `json` and the topic's name where the decoder uses neither, and shares no code with it.
`python -m tests.unit.naive` writes the tables in `tests/fixtures/expected` anew; read the difference before
it is committed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from tests.unit.building import FIXTURES, captured

CAPTURES = ("copy_and_markers", "envelope", "flattened", "redelivered", "snapshot_iso", "withschema")
PLACEHOLDER = "__debezium_unavailable_value"


def expected(line: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of a line says; what is null is left out."""
    says = {"at": f"{line['topic']}/{line['partition']}/{line['offset']}", **_reading(line)}
    return {name: value for name, value in says.items() if value not in (None, False)}


def table(name: str) -> list[dict[str, Any]]:
    """The reviewed table of a capture."""
    return [json.loads(line) for line in (FIXTURES / "expected" / f"{name}.jsonl").read_text().splitlines()]


def state_text(line: Mapping[str, Any]) -> str | None:
    """The row exactly as it stands in the record, cut out of the text."""
    text: str | None = line["value"]
    if text is None:
        return None
    value = json.loads(text)
    if "__op" in value:
        return text[: text.index(',"__deleted":')] + "}"
    value = value.get("payload", value)
    name = "before" if value["op"] == "d" else "after"
    if value[name] is None:
        return None
    start = text.rindex(f'"{name}":{{') + len(name) + 3
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


def _reading(line: Mapping[str, Any]) -> dict[str, Any]:
    topic, text = line["topic"], line["value"]
    if topic.endswith(".transaction") or topic.startswith("__debezium-heartbeat."):
        return {"kind": "nothing"}
    if text is None:
        return {
            "kind": "change", "op": "d", "table": ".".join(topic.split(".")[1:]), "entity": _entity(line["key"]),
            "time": line["timestamp"] * 1000, "tombstone": True,
        }  # fmt: skip
    value = json.loads(text)
    value = value.get("payload", value)
    if value.get("op") == "m":
        return _message(value)
    if value.get("op") == "t":
        source, (commit, lsn) = value["source"], json.loads(value["source"]["sequence"])
        return {
            "kind": "command", "table": f"{source['schema']}.{source['table']}", "time": source["ts_us"],
            "lsn": source["lsn"], "txid": source["txId"], "commit_lsn": int(commit),
            "sequence": [int(commit), int(lsn)],
        }  # fmt: skip
    if line["key"] is None:
        return {"kind": "dead letter", "code": "NO_KEY"}
    return {"kind": "change", **(_flat(value) if "__op" in value else _enveloped(value)), **_of_both(line)}


def _message(value: Mapping[str, Any]) -> dict[str, Any]:
    message = value["message"]
    if message["prefix"] != "msr":
        return {"kind": "nothing"}
    return {"kind": "marker", "source": value["source"]["name"], "time": int(base64.b64decode(message["content"]))}


def _enveloped(value: Mapping[str, Any]) -> dict[str, Any]:
    source, row = value["source"], value["before"] if value["op"] == "d" else value["after"]
    says = {"op": value["op"], "table": f"{source['schema']}.{source['table']}", "time": source["ts_us"]}
    if source["snapshot"] == "false":
        commit, lsn = (None if part is None else int(part) for part in json.loads(source["sequence"]))
        says |= {"lsn": source["lsn"], "txid": source["txId"], "commit_lsn": commit}
        if commit is not None:
            says["sequence"] = [commit, lsn]
    return says | _of_row(value["op"], row)


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    op = "d" if value["__deleted"] == "true" else value["__op"]
    return {
        "op": op, "table": f"{value['__schema']}.{value['__table']}", "time": value["__source_ts_us"],
        "lsn": value["__source_lsn"], "txid": value["__source_txId"],
        **_of_row(op, {name: field for name, field in value.items() if not name.startswith("__")}),
    }  # fmt: skip


def _of_row(op: str, row: Mapping[str, Any]) -> dict[str, Any]:
    tenant = None if "tenant_id" not in row else row["tenant_id"] or ""
    return {"tenant": tenant, "incomplete": op != "d" and PLACEHOLDER in row.values()}


def _of_both(line: Mapping[str, Any]) -> dict[str, Any]:
    old = [base64.b64decode(value).decode() for name, value in line["headers"] if name == "__debezium.oldkey"]
    state = state_text(line)
    return {
        "entity": _entity(line["key"]),
        "old": _entity(old[0]) if old else None,
        "state_bytes": None if state is None else len(state.encode()),
    }


def _entity(key: str) -> str:
    fields = json.loads(key)
    values = [str(value) for value in fields.get("payload", fields).values()]
    if len(values) == 1:
        return values[0]
    return ":".join(value.replace("\\", "\\\\").replace(":", "\\:") for value in values)


def write() -> None:
    """Write all tables anew."""
    for name in CAPTURES:
        rows = [json.dumps(expected(line)) for line in captured(name) if line["topic"] != "msr.notifications"]
        (FIXTURES / "expected" / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    write()
