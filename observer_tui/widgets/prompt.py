"""The input line at the bottom: a command after `:` or a filter after `/`. Imported when first needed."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static


class Prompt(Horizontal):
    """One line of typing with its sign in front."""

    DEFAULT_CSS = """
    Prompt { position: absolute; width: 100%; height: 1; }
    Prompt Static { width: 2; }
    Prompt Input { width: 1fr; }
    """

    class Typed(Message):
        """The text changed."""

        def __init__(self, sign: str, text: str) -> None:
            super().__init__()
            self.sign = sign
            self.text = text

    class Entered(Typed):
        """The text is complete."""

    def __init__(self, sign: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__()
        self.sign = sign
        self._suggestions = suggestions

    def compose(self) -> ComposeResult:
        """Give the sign and the input."""
        yield Static(f" {self.sign}", markup=False)
        suggester = SuggestFromList(self._suggestions, case_sensitive=False) if self._suggestions else None
        yield Input(suggester=suggester, max_length=120, compact=True)

    def on_mount(self) -> None:
        """Stand on the last line and take the keys."""
        self.styles.offset = (0, self.app.size.height - 1)
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass on what is typed."""
        event.stop()
        self.post_message(self.Typed(self.sign, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Pass on the complete text."""
        event.stop()
        self.post_message(self.Entered(self.sign, event.value))
