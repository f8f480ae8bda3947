"""Random values of every type, with those among them that a careless converter would change."""

from __future__ import annotations

import json
import random
import uuid
from decimal import Decimal
from typing import Any

TENANTS = ("t1", "t2")
_WORDS = ("Changi", "tánker", "新加坡", "a:b\\c", '"quoted"', "", "tab\there", "line\nbreak", "e\u0301", "null", "🚢")


def words(chance: random.Random, most: int = 6) -> str:
    """A few words, some of them awkward."""
    return " ".join(chance.choices(_WORDS, k=chance.randint(0, most)))


def large_text(chance: random.Random) -> str:
    """A text that PostgreSQL stores out of line."""
    return f"{words(chance)} {chance.randbytes(chance.randint(1500, 4000)).hex()}"


def document(chance: random.Random) -> str:
    """A JSON text."""
    return json.dumps(
        {
            "at": [chance.uniform(103, 105), chance.uniform(1, 2)],
            "name": words(chance),
            "n": chance.choice([None, True, 12345678901234567890, 0.1, 1.5e300]),
            "deep": {"er": [[], {}, words(chance)]},
        },
        ensure_ascii=chance.random() < 0.5,
    )


def beacon(chance: random.Random) -> dict[str, Any]:
    """A row of `truth.beacon` without its key, as texts that PostgreSQL reads; a fifth of the values null."""
    digits = "".join(chance.choices("0123456789", k=20))
    day = f"{chance.choice([1, 1582, 1970, 2024, 2026, 9999]):04}-0{chance.randint(1, 9)}-{chance.randint(10, 28)}"
    second = chance.choice(["00", "59.000001", "07.5", "30.123456"])
    hour = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{second}"
    row: dict[str, Any] = {
        "small": chance.randint(-32768, 32767),
        "large": chance.choice([2**63 - 1, -(2**63), 9007199254740993, 0]),
        "exact": chance.choice(["1.10", "-0.000", "NaN", f"{digits}.{digits}", "1e-20", "1e40"]),
        "digits": f"9{digits}",
        "money": Decimal(chance.randint(-(10**11), 10**11)) / 100,
        "float_4": chance.choice([0.1, 1e-30, 3.4e38, -0.0]),
        "float_8": chance.choice([0.1, 1e-300, 1.7976931348623157e308, 1 / 3]),
        "yes": chance.random() < 0.5,
        "moment": f"{day} {hour}+0{chance.randint(0, 9)}:30",
        "clock": f"{day} {hour}",
        "millis": f"{day} {hour}",
        "day": day,
        "hour": hour,
        "span": chance.choice(["1 year 2 mons 3 days 04:05:06.789", "-3 days", "0", "36:00:00.000001"]),
        "raw": chance.randbytes(chance.choice([0, 1, 20, 3000])),
        "doc": document(chance),
        "doc_text": document(chance),
        "address": chance.choice(["10.0.0.0/8", "::1", "192.168.1.7"]),
        "kind": chance.choice(["a", "abc", ""]),
        "title": words(chance)[:40],
        "words": [words(chance) for _ in range(chance.randint(0, 3))] + [None],
        "numbers": [chance.randint(-(2**31), 2**31 - 1) for _ in range(chance.randint(0, 3))],
        "amounts": [Decimal(digits), Decimal("1.10")][: chance.randint(0, 2)],
        "refs": [uuid.UUID(int=chance.getrandbits(128))],
    }
    return {name: None if chance.random() < 0.2 else value for name, value in row.items()}
