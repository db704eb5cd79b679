"""Scripts that make a shell complete the options of `chat-client`."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping

PROGRAM = "chat-client"

_FILES = frozenset({"FILE"})
_FOLDERS = frozenset({"DIR"})


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a `shell` (`bash`, `fish` or `zsh`), made from the parser's options."""
    return _SCRIPTS[shell](list(_options(parser)))


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if action.option_strings)


def _long(action: argparse.Action) -> str:
    return action.option_strings[-1]


def _has_value(action: argparse.Action) -> bool:
    """Return whether a value follows the option."""
    return action.nargs != 0


def _choices(action: argparse.Action) -> str:
    return " ".join(action.choices or ())


def _help(action: argparse.Action) -> str:
    """Return the first part of an option's help."""
    return (action.help or "").partition(";")[0].partition(" [")[0]


def _bash(options: list[argparse.Action]) -> str:
    files = "|".join(_long(it) for it in options if it.metavar in _FILES)
    folders = "|".join(_long(it) for it in options if it.metavar in _FOLDERS)
    chosen = "".join(
        f"    {_long(it)}) words='{_choices(it)}' ;;\n" for it in options if it.choices
    )
    values = "|".join(_long(it) for it in options if _has_value(it) and not it.choices)
    words = " ".join(word for it in options for word in it.option_strings)
    return f"""\
# {PROGRAM}: completion for bash
_chat_client() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=''
  case ${{COMP_WORDS[COMP_CWORD-1]}} in
    {files})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return ;;
    {folders})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      return ;;
{chosen}    {values}) ;;
    *) [[ $word == -* ]] && words='{words}' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _chat_client {PROGRAM}
"""


def _zsh(options: list[argparse.Action]) -> str:
    lines = "".join(f"    {_zsh_option(it)} \\\n" for it in options)
    return f"""\
#compdef {PROGRAM}
_chat_client() {{
  _arguments \\
{lines}    '1:NAME:' '2:HOST:_hosts' '3:PORT:'
}}
compdef _chat_client {PROGRAM}
"""


def _zsh_option(action: argparse.Action) -> str:
    told = _help(action).replace("[", "(").replace("]", ")").replace(":", " -")
    text = f"{_long(action)}[{told}]"
    if action.choices:
        text += f":{action.dest}:({_choices(action)})"
    elif _has_value(action):
        what = "_files" if action.metavar in _FILES else ""
        text += f":{action.metavar}:{'_files -/' if action.metavar in _FOLDERS else what}"
    return shlex.quote(text)


def _fish(options: list[argparse.Action]) -> str:
    lines = "".join(f"complete -c {PROGRAM} {_fish_option(it)}\n" for it in options)
    return f"# {PROGRAM}: completion for fish\ncomplete -c {PROGRAM} -f\n{lines}"


def _fish_option(action: argparse.Action) -> str:
    parts = ["-s " + it[1:] for it in action.option_strings if not it.startswith("--")]
    parts.append("-l " + _long(action)[2:])
    if action.choices:
        parts.append(f"-x -a {shlex.quote(_choices(action))}")
    elif action.metavar in _FILES:
        parts.append("-r -F")
    elif action.metavar in _FOLDERS:
        parts.append("-x -a '(__fish_complete_directories)'")
    elif _has_value(action):
        parts.append("-x")
    return " ".join([*parts, f"-d {shlex.quote(_help(action))}"])


_SCRIPTS: Mapping[str, Callable[[list[argparse.Action]], str]] = {
    "bash": _bash,
    "fish": _fish,
    "zsh": _zsh,
}
