"""Faults of HTTP requests that no command refuses: no such path, method or type of body."""

from typing import ClassVar

from chatservice.errors import Message


class Fault(Exception):
    """The answer to a request of HTTP that asks for nothing there is.

    `status` is that of the answer, `code` is for programs, and `sentence` is for people.
    """

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, sentence: Message) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class NotFound(Fault):
    """No route has the path."""

    status, code = 404, "not-found"


class MethodNotAllowed(Fault):
    """No route of the path has the method. `allowed` lists those there are."""

    status, code = 405, "method-not-allowed"

    def __init__(self, sentence: Message, allowed: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.allowed = allowed


class UnsupportedMediaType(Fault):
    """The route does not take a body of that type."""

    status, code = 415, "unsupported-media-type"
