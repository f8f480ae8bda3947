"""The connector's settings, from the commented template in `docker/connect`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from msr_stream.errors import SourceError

_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


def render(template: str, values: Mapping[str, str]) -> dict[str, str]:
    """The settings of a connector, ready for `PUT /connectors/{name}/config`.

    Strict in both directions, because a connector with a setting that was meant otherwise starts too.

    Args:
        template: JSON of one object of strings, with whole lines of `//` comment and `${NAME}` placeholders.
        values: What the placeholders stand for: each of them, and nothing else.

    Raises:
        SourceError: A placeholder has no value, a value has no placeholder, or the template is not such JSON.
    """
    text = _COMMENT.sub("", template)
    wanted = set(_PLACEHOLDER.findall(text))
    if missing := sorted(wanted - values.keys()):
        raise SourceError(f"The connector template needs a value for {', '.join(missing)}")
    if unknown := sorted(values.keys() - wanted):
        raise SourceError(f"The connector template has no placeholder {', '.join(unknown)}")
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise SourceError(f"The connector template is not JSON: {error}") from None
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        raise SourceError("The connector template must be one object whose values are all strings")
    # Filled in after parsing: a password may hold quotes and backslashes.
    return {name: _PLACEHOLDER.sub(lambda found: values[found[1]], text) for name, text in settings.items()}
