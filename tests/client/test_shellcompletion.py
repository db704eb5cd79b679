"""Shells complete what the parser knows."""

import shutil
import subprocess

import pytest

from chatservice.client.clientoptions import SHELLS, completion_script, make_parser
from tests.servers import CLIENT, PATIENCE, environment


def run(*command: str, folder=None) -> list[str]:
    """Return the lines that a program writes."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=PATIENCE, check=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def in_bash(folder, *words: str) -> list[str]:
    """Return what bash would complete the last one of some words to."""
    line = " ".join(f"'{word}'" for word in ("chat-client", *words))
    code = f"""
{completion_script(make_parser(), "bash")}
COMP_WORDS=({line}) COMP_CWORD={len(words)}
_chat_client
[[ ${{#COMPREPLY[@]}} -eq 0 ]] || printf "%s\\n" "${{COMPREPLY[@]}}"
"""
    return run("bash", "--norc", "-c", code, folder=folder)


def test_bash(tmp_path):
    """Options, their choices, files (with spaces) and folders; and nothing for what is free."""
    (tmp_path / "a report.pdf").write_text("")
    (tmp_path / "saved").mkdir()
    assert in_bash(tmp_path, "--fo") == ["--follow"]
    assert in_bash(tmp_path, "--completion", "") == list(SHELLS)
    assert in_bash(tmp_path, "--put", "a") == ["a report.pdf"]
    assert in_bash(tmp_path, "--downloads", "") == ["saved"]
    assert in_bash(tmp_path, "--say", "--fo") == []
    assert in_bash(tmp_path, "anna") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(tmp_path):
    """The same."""
    (tmp_path / "a report.pdf").write_text("")
    (tmp_path / "saved").mkdir()

    def completed(line: str) -> list[str]:
        code = f"{completion_script(make_parser(), 'fish')}\ncomplete -C 'chat-client {line}'"
        lines = run("fish", "--no-config", "-c", code, folder=tmp_path)
        return [each.partition("\t")[0] for each in lines]

    assert completed("--fo") == ["--follow"]
    assert completed("--completion ") == list(SHELLS)
    assert [it.replace("\\", "") for it in completed("--put a")] == ["a report.pdf"]
    assert completed("--downloads s") == ["saved/"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(tmp_path):
    """It is taken, and the function is there."""
    place = tmp_path / "completion"
    place.write_text(completion_script(make_parser(), "zsh"))
    code = f"autoload -U compinit && compinit -D; source {place}; print $_comps[chat-client]"
    assert run("zsh", "-f", "-c", code) == ["_chat_client"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_completed(shell):
    """None is left out."""
    text = completion_script(make_parser(), shell)
    for action in make_parser()._actions:
        for option in action.option_strings:
            assert option.lstrip("-") in text


def test_the_program_prints_it():
    """And does nothing else."""
    done = subprocess.run(
        [*CLIENT, "--completion", "bash"], capture_output=True, env=environment(), check=True
    )
    assert done.stdout.decode() == completion_script(make_parser(), "bash")
    assert done.stderr == b""
