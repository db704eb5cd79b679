"""Answers that fail."""

import pytest
from twisted.internet.defer import succeed

from chatservice.errors import Code, Refusal
from chatservice.net.flow import FlowControl

REFUSAL = Refusal(Code.BAD_NAME, "No.")


class Connection:
    """A connection that is always read."""

    peer = "here"

    def pauseProducing(self):
        """It does not come to that."""
        raise AssertionError


@pytest.mark.parametrize("result", ["now", succeed("later")], ids=["now", "later"])
@pytest.mark.parametrize("error", [REFUSAL, OSError("no")], ids=["refusal", "error"])
def test_an_answer_that_fails_is_refused(result, error):
    """No matter whether it was there at once."""

    def answer(it):
        raise error

    refused = []
    FlowControl(Connection()).when_answered(result, answer, refused.append)
    assert [it.code for it in refused] == [getattr(error, "code", Code.SERVER_ERROR)]
