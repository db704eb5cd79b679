"""What `/help` tells of commands that do something else here than on a bare connection."""

from collections.abc import Mapping

CLIENT_HELP = {
    "/put": "/put PATH [@USER] - sends a file, to the room or to one user; also: -file PATH, "
    "transfer PATH, or just the path",
    "/get": "/get NAME - saves a file, and checks it; of another shelf: ROOM/NAME, @/NAME",
}
"""What is done otherwise here than on a bare connection, in the words of `/help`."""

ROOMS_HELP = {
    "/join": "/join ROOM [PASSWORD] - goes to a room, and stays in the others: what is said there "
    "is shown when you go back",
    "/leave": "/leave [ROOM] - leaves a room; who leaves the last one is in the lobby",
}
"""And on a terminal, where one may be in several rooms."""


def client_help(lines: tuple[str, ...], own: Mapping[str, str] = CLIENT_HELP) -> list[str]:
    """Return the lines of the server's `/help`, with what is done otherwise here put right."""
    otherwise = CLIENT_HELP.get(lines[0].split(" ")[0]) if lines else None
    if otherwise is not None:
        return [otherwise]
    return [own.get(line.split(" ")[0], line) for line in lines]
