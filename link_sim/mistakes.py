"""What a user can mend, answered in one sentence with exit status 2."""

import errno
import re
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Commands whose errors are one sentence on standard error."""

    def make_context(self, *arguments, **options):
        with _one_sentence():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx):
        with _one_sentence(ctx):
            return super().invoke(ctx)


@contextmanager
def _one_sentence(ctx: typer.Context | None = None) -> Iterator[None]:
    """Answers what a user can mend in one sentence, with exit status 2 or 130."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("stopped; finished batches are kept, the same command continues", 130)
    except BrokenExecutor:
        _fail(
            "a worker process died, maybe of too little memory: finished batches are "
            "kept, run the same command with fewer workers"
        )
    except typer.TyperException as error:
        sentence = error.format_message().rstrip(".")
        if not sentence:
            raise  # no arguments: typer has shown the help
        command = ctx.invoked_subcommand if ctx else None
        help_of = f"link-sim {command} --help" if command else "link-sim --help"
        sentence = sentence[0].lower() + sentence[1:].replace(": Value error,", ":")
        _fail(f"{sentence}; see {help_of}")
    except ValueError as error:
        _fail(_own_words(error))
    except BrokenPipeError:
        raise  # nobody reads on: typer ends quietly
    except OSError as error:
        where = error.filename or "the results folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _fail(
                "the disk is full: free some space and run the same command, "
                "finished batches are kept"
            )
        _fail(f"{where} cannot be used ({error.strerror}): choose another folder")


def _own_words(error: ValueError) -> str:
    """The message without what TensorFlow and Keras wrap around it inside a graph."""
    innermost = re.split(r"\n\s+\w*Error: |\x1b\[1m", str(error))[-1]
    return innermost.partition("\x1b[0m")[0]


def _fail(sentence: str, status: int = 2) -> None:
    typer.echo(f"link-sim: {' '.join(sentence.split())}", err=True)
    raise typer.Exit(status)
