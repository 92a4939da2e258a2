"""Whether a board has the shape that Grafana's SDK gives its types, from which the SDK's JSON schema is made too."""

import enum
import json
import types
import typing

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

# Of each panel and query the options of its own kind count, too.
plugins.register_default_plugins()


def faults(board):
    try:
        read = Dashboard.from_json(json.loads(json.dumps(board)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"the SDK cannot read it: {error!r}"
        return
    yield from misfits(read, Dashboard, "")
    written = json.loads(json.dumps(read, cls=JSONEncoder))
    if written != board:
        yield "has fields that the SDK does not know"


def misfits(value, kind, path):
    """Where a value is not of its kind, by the annotations of the SDK's classes."""
    if isinstance(value, dict) and hasattr(kind, "from_json"):
        # What the SDK leaves unread in places.
        value = kind.from_json(value)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inside = [one for one in inside if one is not type(None)]
        if len(inside) == 1:
            yield from misfits(value, inside[0], path)
        elif not any(not list(misfits(value, one, path)) for one in inside):
            # Of a panel or a row the faults are those of which it is.
            own = [one for one in inside if isinstance(one, type) and isinstance(value, one)]
            yield from misfits(value, own[0], path) if own else [f"{path} is {value!r}: none of {inside}"]
    elif origin is list and isinstance(value, list):
        for place, item in enumerate(value):
            yield from misfits(item, inside[0], f"{path}[{place}]")
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from misfits(item, inside[1], f"{path}.{key}")
    elif origin is typing.Literal or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        words = inside or [one.value for one in kind]
        if value not in words:
            yield f"{path} is {value!r}: none of {words}"
    elif origin or (isinstance(kind, type) and kind is not object and not fits(value, kind)):
        yield f"{path} is {value!r}: no {getattr(kind, '__name__', kind)}"
    elif hasattr(value, "__dict__"):
        hints = typing.get_type_hints(type(value).__init__)
        for name, item in vars(value).items():
            if item is not None and name in hints:
                yield from misfits(item, hints[name], f"{path}.{name}")


def fits(value, kind):
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)
