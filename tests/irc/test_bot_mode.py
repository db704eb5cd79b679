"""Programs that say what they are (https://ircv3.net/specs/extensions/bot-mode)."""


def test_a_bot_is_marked(server, join_irc):
    """The mode of the token BOT marks a user in WHOIS (335), in WHO (352) and in what it sends, for
    those who know tags, until it is taken back."""
    bob, ann = join_irc(server, "bob"), join_irc(server, "ann", "message-tags")
    assert "BOT=B" in bob.seen
    for each in (ann, bob):
        each.send("JOIN #lab")
        each.until("366")
    ann.until("JOIN", "#lab")
    bob.send("MODE bob +B", "MODE bob +B", "MODE bob", "PRIVMSG #lab :beep", "PART #lab")
    assert bob.until("MODE").params == ("bob", "+B")
    assert bob.until("221").params == ("bob", "+B")
    found = [ann.until(it) for it in ("PRIVMSG", "PART")]
    assert all(it.tags["bot"] == "" for it in found), found
    bob.send("JOIN #lab")
    assert "bot" in ann.until("JOIN").tags
    bob.send("PRIVMSG ann :beep")
    assert "bot" in ann.until("PRIVMSG", "ann").tags
    ann.send("WHOIS bob", "WHO bob", "WHO bob %f")
    told = {it.command: it.params[1:] for it in ann.settled()}
    assert told["335"][0] == "bob"
    assert told["352"][5] == "HB"
    assert told["354"] == ("HB",)
    bob.send("MODE bob -B", "MODE bob", "PRIVMSG #lab :hello")
    assert [it.params[1] for it in bob.settled() if it.command in ("MODE", "221")] == ["-B", "+"]
    assert "bot" not in ann.until("PRIVMSG", "#lab", "hello").tags


def test_modes_of_users(server, join_irc):
    """A mode that is not there has 501, another user 502, and one who is not here 401
    (https://modern.ircdocs.horse/#mode-message). Those that clients set by themselves are nobody's
    business."""
    bob, _ = join_irc(server, "bob"), join_irc(server, "ann")
    bob.send("MODE bob +xB-y", "MODE ann +B", "MODE ann", "MODE nosuch", "MODE BOB")
    assert [it.command for it in bob.settled()] == ["MODE", "501", "502", "502", "401", "221"]
    bob.send("MODE bob +iw")
    assert bob.until("221").params == ("bob", "+B")
