"""A ticket is good for one transfer, for a while."""

import pytest

from chatservice.domain.model import User
from chatservice.domain.tickets import DownloadTicket, Tickets, UploadTicket
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

RIGHT = DownloadTicket("lab", "a.csv", 1, "ab" * 32, User("alice", None, 1))


def test_a_ticket_is_good_once():
    """It gives what it was issued for, and then nothing."""
    tickets = Tickets(Limits())
    ticket = tickets.issue(RIGHT, 0)
    assert tickets.redeem(ticket, DownloadTicket, 1) is RIGHT
    with pytest.raises(Refusal) as caught:
        tickets.redeem(ticket, DownloadTicket, 1)
    assert caught.value.code is Code.BAD_TICKET


@pytest.mark.parametrize("when", [Limits().ticket_seconds + 1, 10.0**9])
def test_a_ticket_grows_old(when):
    """After its time it is worth nothing, and it does not stay in memory."""
    tickets = Tickets(Limits())
    ticket = tickets.issue(RIGHT, 0)
    tickets.issue(RIGHT, when)
    with pytest.raises(Refusal):
        tickets.redeem(ticket, DownloadTicket, when)
    assert len(tickets) == 1


def test_a_ticket_is_good_for_what_it_was_issued_for():
    """One for a download uploads nothing, and one that was made up does nothing."""
    tickets = Tickets(Limits())
    for ticket in (tickets.issue(RIGHT, 0), "made-up", ""):
        with pytest.raises(Refusal):
            tickets.redeem(ticket, UploadTicket, 0)


def test_tickets_cannot_be_guessed():
    """No two are alike, and each has at least 128 bits."""
    tickets = Tickets(Limits())
    made = {tickets.issue(RIGHT, 0) for _ in range(1000)}
    assert len(made) == 1000
    assert min(map(len, made)) >= 22


def test_there_are_only_so_many(monkeypatch):
    """A user who requests more and more tickets loses the oldest ones."""
    tickets = Tickets(Limits(tickets=3))
    out = [tickets.issue(RIGHT, 0) for _ in range(5)]
    assert len(tickets) == 3
    with pytest.raises(Refusal):
        tickets.redeem(out[1], DownloadTicket, 0)
    assert tickets.redeem(out[4], DownloadTicket, 0) == RIGHT


def test_who_asks_for_many_takes_nobody_elses(monkeypatch):
    """Eleven who ask for all that there may be lose their own oldest ones."""
    tickets = Tickets(Limits(tickets=100))
    hers = tickets.issue(RIGHT, 0, "alice")
    theirs = [tickets.issue(RIGHT, 1, f"guest{at % 11}") for at in range(1000)]
    assert len(tickets) == 100
    assert tickets.redeem(hers, DownloadTicket, 2) is RIGHT
    assert tickets.redeem(theirs[-1], DownloadTicket, 2) is RIGHT
    with pytest.raises(Refusal):
        tickets.redeem(theirs[0], DownloadTicket, 2)


def test_a_ticket_may_stay_good_for_one_address():
    """A client that fetches in pieces shows it again, from the same address, for as long after each
    time; nobody else can, and it goes like all others when it is used up."""
    tickets, end = Tickets(Limits()), Limits().ticket_seconds
    ticket = tickets.issue(RIGHT, 0)
    for now in (0, end, 2 * end):
        assert tickets.redeem(ticket, DownloadTicket, now, "10.0.0.1", stays=True) is RIGHT
    assert tickets.redeem(ticket, DownloadTicket, 2 * end, "10.0.0.1") is RIGHT
    with pytest.raises(Refusal):
        tickets.redeem(ticket, DownloadTicket, 2 * end, "10.0.0.1")
    assert len(tickets) == 0


@pytest.mark.parametrize(("address", "now"), [("10.0.0.2", 1), ("10.0.0.1", 1000)])
def test_a_ticket_that_stays_is_no_ticket_for_others(address, now):
    """Another address gets nothing, and neither does the same one when the time is over."""
    tickets = Tickets(Limits())
    ticket = tickets.issue(RIGHT, 0)
    tickets.redeem(ticket, DownloadTicket, 0, "10.0.0.1", stays=True)
    with pytest.raises(Refusal):
        tickets.redeem(ticket, DownloadTicket, now, address, stays=True)


def test_tickets_that_stay_count_like_others():
    """They are as many as all others may be, and the oldest goes first: by its last use."""
    tickets = Tickets(Limits(tickets=2))
    first, second = tickets.issue(RIGHT, 0), tickets.issue(RIGHT, 1)
    tickets.redeem(first, DownloadTicket, 2, stays=True)
    tickets.issue(RIGHT, 3)
    with pytest.raises(Refusal):
        tickets.redeem(second, DownloadTicket, 3)
    assert tickets.redeem(first, DownloadTicket, 3, stays=True) is RIGHT
