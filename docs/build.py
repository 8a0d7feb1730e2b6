"""Build the site into build/site: it opens from disk and loads nothing from other hosts.

Pages take their code from the sources. Figures come from the last conformance report and from small
runs, which are made now unless they exist already.
"""

import io
import re
import shutil
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from docs.data import make
from docs.producers import PRODUCERS
from shared.commands.options import UsageError, command
from shared.commands.terminal import say
from shared.errors import UserError

PROGRAM = "nox -s docs --"
DOCS = Path(__file__).resolve().parent
SITE = DOCS.parent / "build" / "site"
MARK = ".buildinfo"
"""A file that Sphinx leaves in every site. A directory without it is not replaced."""

WRONG = re.compile(r"\b(ERROR|CRITICAL): ")


@dataclass(frozen=True)
class Options:
    open: FlagCreatePairsOff[bool] = False
    """Open the site in a browser."""
    strict: FlagCreatePairsOff[bool] = False
    """Fail on anything missing or old: a figure, a report."""
    no_runs: FlagCreatePairsOff[bool] = False
    """Reuse the figures and command output of the last build. For writing pages."""
    out: Annotated[Path, arg(metavar="DIR")] = SITE
    """The directory to write the site to."""


@command
def main(options: Options) -> int:
    check_replaceable(options.out)
    may_run = not options.no_runs
    failures = make(PRODUCERS.values()) if may_run else []
    build_site(DOCS, options.out, strict=options.strict, may_run=may_run, failures=failures)
    index = options.out / "index.html"
    say(f"the site: {index}")
    if options.open:
        webbrowser.open(index.resolve().as_uri())
    return 0


def check_replaceable(out: Path) -> None:
    """Raises `UsageError` if there is something at `out` that is not a site."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).exists()):
        raise UsageError(f"{out} is not empty and is not a site that could be replaced")


def build_site(
    source: Path,
    out: Path,
    *,
    strict: bool = False,
    may_run: bool = True,
    failures: Sequence[str] = (),
) -> list[str]:
    """Build the pages in `source` into `out`, always completely: Sphinx cannot tell what is out of
    date, because pages also depend on code, the report and runs.

    The settings are those of docs/conf.py. `out` is replaced when the site is complete. Returns
    `failures` and what else is missing, one line each. Raises `UserError` if a page is wrong, or
    with `strict` if something is missing or old."""
    # Imported here because it takes a second, and other commands of docs/ do not need it.
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    complaints = io.StringIO()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as directory:
        partial = Path(directory) / "site"
        try:
            with patch_docutils(DOCS), docutils_namespace():  # what Sphinx registers is removed
                application = Sphinx(
                    *(source, DOCS, partial, Path(directory) / "doctrees", "html"),
                    confoverrides={"minigpt_may_run": may_run},
                    status=None,
                    warning=complaints,
                    freshenv=True,
                )
                application.build(force_all=True)
        except SphinxError as error:
            raise UserError(f"the site was not built: {error}") from error
        # One line each, without colours, and with paths relative to the top of the repository
        told = re.sub(r"\x1b\[[0-9;]*m", "", complaints.getvalue()).replace(f"{DOCS.parent}/", "")
        problems = [*failures, *(line for line in told.splitlines() if line.strip())]
        wrong = [problem for problem in problems if strict or WRONG.search(problem)]
        for problem in problems:
            if problem not in wrong:
                say(problem)
        if wrong:
            raise UserError("the site was not built:\n" + "\n".join(wrong))
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    return problems


if __name__ == "__main__":
    sys.exit(main())
