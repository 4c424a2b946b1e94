"""What an agent says to people: what changed, once."""

from collections.abc import Callable


class Saying:
    """About each thing the newest sentence, and nothing while it stays the same."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last: dict[str, str] = {}

    def tell(self, about: str, sentence: str, over: str = "") -> None:
        """Say `sentence`; it is empty where nothing is to be said any more, and `over` then says so."""
        if self._last.get(about, "") != sentence and (said := sentence or over):
            self._say(said)
        self._last[about] = sentence
