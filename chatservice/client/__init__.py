"""The bundled client: the same grammar from the other side.

* `main`: the program: options, questions, and then a line at a time.
* `options`, `asking`: what the command line says, and what is asked because it does not.
* `person`, `sending`: what each line that is typed does; which lines send a file.
* `conversation`, `cursor`: where one is and what was shown, with no I/O in it.
* `session`, `rooms`: one stay at a server, over as many connections as that takes.
* `connection`: one connection in the JSON dialect.
* `doors`, `tls`, `handshake`, `known`: ways to a server, plain and over TLS, and whom one believes.
* `transfers`, `carriers`, `saving`: files both ways, on connections of their own, and on the disk.
* `screen`, `plain`, `terminal`: what a person or a script sees, in two forms.
* `look`, `colours`, `wrapping`, `naming`, `waiting`, `toolbar`: what is shown on a terminal.
* `region`, `drawing`: how it gets there.
* `keys`, `completing`, `pasting`, `typedhistory`, `around`: what is typed there.

No module here imports the reactor, except `main.run`, which chooses it.
"""
