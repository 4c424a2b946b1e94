"""Where a rollout is when a fault strikes, read from the store's own rows."""

from tests.chaos.witness import Look

FORWARD = ("admitting", "baking", "promoted")
BEGUN = frozenset({"admitting", "baking", "awaiting-approval"})


def place(look: Look) -> str:
    """Return the rollout's state, or while it is running that of the ring in hand.

    `promoted`: one ring is promoted, and nobody was let into the next one yet.
    """
    if look.state != "running":
        return look.state
    filled = [(state, granted) for _, state, hosts, granted in look.rings if hosts]
    begun = [each for each in filled if each[0] in BEGUN]
    if any(state == "promoted" for state, _ in filled) and (not begun or begun[-1] == ("admitting", 0)):
        return "promoted"
    if not begun:
        return "waiting"
    state, granted = begun[-1]
    return "opening" if (state, granted) == ("admitting", 0) else state
