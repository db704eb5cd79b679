"""The formats: bytes to requests, and replies, events and entries to bytes. No I/O, no clock.

* `commands`: the table of commands, with its rows in `table`; `commandtypes`: the parts of a row;
  `help`: the texts of `/help`.
* `textparser`, `textformat`, `prompts`: the text format, for people.
* `jsonlines`: the JSON format, on the server; `jsonclient`: the same on the client.
* `webroutes`, `webapi`, `webtarget`, `webfields`: requests of the HTTP API; `webanswers`,
  `webtext`, `webhelp`, `webfaults`: their answers; `openapi`: its description.
* `httpfields`, `negotiation`, `forwarded`: headers of HTTP; `prometheus`: metrics.
* `earlytalk`, `pagecommands`: what the server makes for the page.
* `websocket`: frames of a WebSocket, and its handshake.
* `irc`, `ircformat`, `ircnumerics`, `irctexts`: IRC.
* `telnet`: lines without telnet's negotiation; `durations`: lengths of time, as they are typed.
"""
