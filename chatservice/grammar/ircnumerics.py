"""Numerics: the numbers of replies and errors (https://modern.ircdocs.horse/#numerics), and one
table of the errors that stand for refusals."""

from collections.abc import Mapping
from enum import Enum

from chatservice.errors import Code


class Numeric:
    """The numbers of replies and errors, without their prefixes RPL_ and ERR_."""

    WELCOME = "001"
    YOURHOST = "002"
    CREATED = "003"
    MYINFO = "004"
    ISUPPORT = "005"
    UMODEIS = "221"
    LUSERCLIENT = "251"
    LUSERCHANNELS = "254"
    LUSERME = "255"
    GLOBALUSERS = "266"
    AWAY = "301"
    USERHOST = "302"
    ISON = "303"
    UNAWAY = "305"
    NOWAWAY = "306"
    WHOISUSER = "311"
    WHOISSERVER = "312"
    WHOISOPERATOR = "313"
    WHOWASUSER = "314"
    ENDOFWHO = "315"
    WHOISIDLE = "317"
    ENDOFWHOIS = "318"
    WHOISCHANNELS = "319"
    LISTSTART = "321"
    LIST = "322"
    LISTEND = "323"
    CHANNELMODEIS = "324"
    WHOISACCOUNT = "330"
    NOTOPIC = "331"
    TOPIC = "332"
    TOPICWHOTIME = "333"
    INVITING = "341"
    WHOISBOT = "335"
    VERSION = "351"
    WHOREPLY = "352"
    NAMREPLY = "353"
    WHOSPCRPL = "354"
    ENDOFNAMES = "366"
    BANLIST = "367"
    ENDOFBANLIST = "368"
    ENDOFWHOWAS = "369"
    INFO = "371"
    ENDOFINFO = "374"
    YOUREOPER = "381"
    REHASHING = "382"
    TIME = "391"
    NOSUCHNICK = "401"
    NOSUCHSERVER = "402"
    NOSUCHCHANNEL = "403"
    CANNOTSENDTOCHAN = "404"
    TOOMANYCHANNELS = "405"
    WASNOSUCHNICK = "406"
    TOOMANYTARGETS = "407"
    NOORIGIN = "409"
    INVALIDCAPCMD = "410"
    NORECIPIENT = "411"
    NOTEXTTOSEND = "412"
    INPUTTOOLONG = "417"
    UNKNOWNCOMMAND = "421"
    NOMOTD = "422"
    NONICKNAMEGIVEN = "431"
    ERRONEUSNICKNAME = "432"
    NICKNAMEINUSE = "433"
    USERNOTINCHANNEL = "441"
    NOTONCHANNEL = "442"
    USERONCHANNEL = "443"
    NOTREGISTERED = "451"
    NEEDMOREPARAMS = "461"
    ALREADYREGISTERED = "462"
    PASSWDMISMATCH = "464"
    YOUREBANNEDCREEP = "465"
    UNKNOWNMODE = "472"
    INVITEONLYCHAN = "473"
    BANNEDFROMCHAN = "474"
    BADCHANNELKEY = "475"
    CANNOTKNOCK = "480"
    NOPRIVILEGES = "481"
    CHANOPRIVSNEEDED = "482"
    NOOPERHOST = "491"
    UMODEUNKNOWNFLAG = "501"
    USERSDONTMATCH = "502"
    HELPNOTFOUND = "524"
    INVALIDKEY = "525"
    HELPSTART = "704"
    HELPTXT = "705"
    ENDOFHELP = "706"
    KNOCKDLVR = "711"
    CHANOPEN = "713"
    KNOCKONCHAN = "714"
    MONONLINE = "730"
    MONOFFLINE = "731"
    MONLIST = "732"
    ENDOFMONLIST = "733"
    MONLISTFULL = "734"
    LOGGEDIN = "900"
    SASLSUCCESS = "903"
    SASLFAIL = "904"
    SASLTOOLONG = "905"
    SASLABORTED = "906"
    SASLALREADY = "907"
    SASLMECHS = "908"


class Purpose(Enum):
    """The purpose of a command, for which a refusal has a number."""

    NAME = "to take a nick"
    ENTER = "to come into a channel"
    SPEAK = "to say something"
    ACT = "to act in a channel"
    OTHER = "anything else"


_EVERYWHERE: Mapping[Code, str] = {
    Code.NO_SUCH_ROOM: Numeric.NOSUCHCHANNEL,
    Code.NO_SUCH_USER: Numeric.NOSUCHNICK,
    Code.TOO_LONG: Numeric.INPUTTOOLONG,
    Code.NAME_NEEDED: Numeric.NOTREGISTERED,
    Code.WRONG_PASSWORD: Numeric.PASSWDMISMATCH,
    Code.PASSWORD_NEEDED: Numeric.PASSWDMISMATCH,
}

ERRORS: Mapping[Purpose, Mapping[Code, str]] = {
    Purpose.NAME: {
        **_EVERYWHERE,
        Code.BAD_NAME: Numeric.ERRONEUSNICKNAME,
        Code.NAME_TAKEN: Numeric.NICKNAMEINUSE,
        Code.PASSWORD_NEEDED: Numeric.NICKNAMEINUSE,
        Code.BANNED: Numeric.YOUREBANNEDCREEP,
    },
    Purpose.ENTER: {
        **_EVERYWHERE,
        Code.BAD_NAME: Numeric.NOSUCHCHANNEL,
        Code.ROOM_EXISTS: Numeric.NOSUCHCHANNEL,
        Code.BANNED: Numeric.BANNEDFROMCHAN,
        Code.NOT_ALLOWED: Numeric.INVITEONLYCHAN,
        Code.PASSWORD_NEEDED: Numeric.BADCHANNELKEY,
        Code.WRONG_PASSWORD: Numeric.BADCHANNELKEY,
        Code.BAD_ARGUMENT: Numeric.TOOMANYCHANNELS,
        Code.TOO_MANY: Numeric.TOOMANYCHANNELS,
    },
    Purpose.SPEAK: {
        **_EVERYWHERE,
        Code.NOT_IN_ROOM: Numeric.CANNOTSENDTOCHAN,
        Code.NOT_ALLOWED: Numeric.CANNOTSENDTOCHAN,
        Code.BANNED: Numeric.CANNOTSENDTOCHAN,
        Code.TOO_FAST: Numeric.CANNOTSENDTOCHAN,
    },
    Purpose.ACT: {
        **_EVERYWHERE,
        Code.NOT_IN_ROOM: Numeric.NOTONCHANNEL,
        Code.NOT_ALLOWED: Numeric.CHANOPRIVSNEEDED,
        Code.BANNED: Numeric.CHANOPRIVSNEEDED,
    },
    Purpose.OTHER: _EVERYWHERE,
}
"""The error of a code, by the purpose of what was refused. Without one, a standard reply has the
code (https://ircv3.net/specs/extensions/standard-replies)."""

WITH_TARGET = frozenset(
    {
        *(Numeric.NOSUCHNICK, Numeric.NOSUCHCHANNEL, Numeric.CANNOTSENDTOCHAN),
        *(Numeric.TOOMANYCHANNELS, Numeric.ERRONEUSNICKNAME, Numeric.NICKNAMEINUSE),
        *(Numeric.NOTONCHANNEL, Numeric.INVITEONLYCHAN, Numeric.BANNEDFROMCHAN),
        *(Numeric.BADCHANNELKEY, Numeric.CHANOPRIVSNEEDED),
    }
)
"""Errors that name a nick or a channel before their sentence."""
