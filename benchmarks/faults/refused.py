"""Wrong requests: each must be refused immediately in one line, and leave nothing behind."""

from collections.abc import Iterator

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from faults import Request, Tally, first_problem
from faults.forked import run as forked
from faults.processes import Ended, environment
from faults.wrong_requests import WrongRequest, wrong_requests

LONGEST_LINE = 300
MUTATED = 300
# any characters, including lone surrogates, which a terminal without UTF-8 can send
ODD_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
EDITS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2), ODD_TEXT), min_size=1, max_size=3)


def drill(request: Request) -> Iterator[Tally]:
    """Run every wrong request."""
    tally = Tally(
        "wrong request", "one line, exit status 2 (1 where the machine lacks something), nothing left"
    )
    cases = wrong_requests()
    for number, case in enumerate(cases[: request.trials(len(cases))]):
        folder, home = request.folder / f"{number:03d}", request.folder / f"{number:03d}.home"
        folder.mkdir(parents=True)
        ended = forked(case.in_folder(folder), environment(request, home), folder)
        problem = first_problem([_wrong(ended, case.status), "something was left" if home.exists() else None])
        tally.add(f"{case.name}: {problem}" if problem else None)
    yield tally
    yield _mutated(request)


def _mutated(request: Request) -> Tally:
    """Change arguments of wrong requests at random; `--dry-run` prevents training."""
    tally = Tally(
        "wrong request changed at random (by hypothesis)",
        "one line and exit status 2, or a request that is possible after all; nothing left",
    )
    cases = [case for case in wrong_requests() if case.words[0] == "run"]

    @seed(request.seed)
    @settings(
        max_examples=request.trials(MUTATED),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.sampled_from(cases), edits=EDITS)
    def attempt(case: WrongRequest, edits: list[tuple[int, int, str]]) -> None:
        folder, home = (request.folder / f"mutated-{tally.tried:03d}.{kind}" for kind in ("now", "home"))
        folder.mkdir(parents=True)
        words = case.in_folder(folder)
        for place, kind, text in edits:
            words = ["run", *_edited(words[1:], place, kind, text), "--dry-run"]
        ended = forked(words, environment(request, home), folder)
        refused = None if ended.status == 0 else _wrong(ended, 2)
        problem = first_problem([refused, "something was left" if home.exists() else None])
        tally.add(f"{words!r:.300}: {problem}" if problem else None)

    attempt()
    return tally


def _edited(words: list[str], place: int, kind: int, text: str) -> list[str]:
    """One word replaced by an odd text, cut and continued with it, or followed by it."""
    place %= len(words)
    word = words[place]
    new = ([text], [word[: len(word) // 2] + text], [word, text])[kind]
    return [*words[:place], *new, *words[place + 1 :]]


def _wrong(ended: Ended, status: int) -> str | None:
    if problem := ended.one_line(status):
        return problem
    lines = ended.err.splitlines()
    if len(lines) != 1 or ended.out:
        return f"more than one line: {ended.err[-200:]}"
    return f"a line of {len(lines[0])} characters" if len(lines[0]) > LONGEST_LINE else None
