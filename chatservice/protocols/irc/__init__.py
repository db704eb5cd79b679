"""IRC on the port of all protocols: every IRC client is a client of this server.

`ircdoor` has the row of the sniffing table, and the handler of each command; `ircsession` what
these use of a connection. The others have handlers, by their purpose.
"""
