"""The rows of the table of commands, in groups. `chatservice.grammar.commands` puts them together.

`rowparts` has what several groups use. A command's handler is in a module of
`chatservice.domain.handlers`.
"""
