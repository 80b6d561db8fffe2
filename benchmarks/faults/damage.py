"""Files of runs that are damaged, truncated, edited or exchanged between runs."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from faults import Request, Tally, first_problem
from faults.comparison import differs
from faults.forked import run as forked
from faults.processes import (
    Process,
    environment,
    only_run,
    printed_json,
    recorded_steps,
    run,
    run_words,
    wait_until,
)

CHECKPOINTS = 60
RECORDS = 40
DESCRIPTIONS = 20
FOREIGN = 4
STEPS = 400
SETTINGS = {"eval_every": 100, "checkpoint_every": 20, "tracking": "false"}
WORDS = run_words("began-cs", steps=STEPS, **SETTINGS)

Damage = Callable[[bytes, random.Random], bytes]


def drill(request: Request) -> Iterator[Tally]:
    """Damage checkpoints, records and descriptions of a run that was stopped half-way."""
    chance = random.Random(request.seed)
    whole, half, foreign = (request.folder / name for name in ("whole", "half", "foreign"))
    run(WORDS, environment(request, whole), whole / "logs")
    _stop_half_way(request, half, WORDS)
    _stop_half_way(request, foreign, [*WORDS, "--seed", "7"])
    trials = _Trials(request, half, only_run(whole), chance)
    yield trials.checkpoints()
    yield trials.foreign(only_run(foreign))
    yield trials.records()
    yield trials.finished_records()
    yield trials.descriptions()


def _stop_half_way(request: Request, home: Path, words: list[str]) -> None:
    process = Process(words, environment(request, home), home / "logs")
    wait_until(lambda: process.ended() or recorded_steps(home) > STEPS // 3, "a recorded step")
    process.popen.terminate()
    ended = process.wait()
    if ended.status != 130:
        raise RuntimeError(f"the run was not stopped half-way: {ended.status} {ended.err[-200:]}")


def flip_a_bit(content: bytes, chance: random.Random) -> bytes:
    """Return the content with one bit flipped."""
    position = chance.randrange(len(content))
    flipped = content[position] ^ (1 << chance.randrange(8))
    return content[:position] + bytes([flipped]) + content[position + 1 :]


def cut(content: bytes, chance: random.Random) -> bytes:
    """Return the beginning of the content."""
    return content[: chance.randrange(len(content))]


def empty(content: bytes, chance: random.Random) -> bytes:
    """Return no content."""
    return b""


def zero_a_block(content: bytes, chance: random.Random) -> bytes:
    """Return the content with a block of zeros, as after a power cut."""
    start = chance.randrange(len(content))
    length = min(512, len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines with their line ends."""
    return content.splitlines(keepends=True)


def double_a_line(content: bytes, chance: random.Random) -> bytes:
    """Return the content with one line repeated."""
    lines = lines_of(content)
    place = chance.randrange(len(lines) - 1)
    return b"".join([*lines[: place + 1], *lines[place:]])


def lose_a_line(content: bytes, chance: random.Random) -> bytes:
    """Return the content without one training step before the last line."""
    lines = lines_of(content)
    steps = [place for place, line in enumerate(lines[:-1]) if b'"event"' not in line]
    place = chance.choice(steps)
    return b"".join([*lines[:place], *lines[place + 1 :]])


def exchange_lines(content: bytes, chance: random.Random) -> bytes:
    """Return the content with two neighbouring training steps exchanged."""
    lines = lines_of(content)
    places = [
        place
        for place in range(len(lines) - 2)
        if b'"event"' not in lines[place] and b'"event"' not in lines[place + 1]
    ]
    place = chance.choice(places)
    return b"".join([*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]])


def cut_at_a_line(content: bytes, chance: random.Random) -> bytes:
    """Return the first lines of the content."""
    lines = lines_of(content)
    return b"".join(lines[: chance.randrange(len(lines))])


FILE_DAMAGE: tuple[Damage, ...] = (flip_a_bit, cut, empty, zero_a_block)
LINE_DAMAGE: tuple[Damage, ...] = (
    double_a_line,
    lose_a_line,
    exchange_lines,
    cut_at_a_line,
    cut,
    empty,
    zero_a_block,
)
# without a cut: a run whose record ends early is resumed from there
FINISHED_DAMAGE: tuple[Damage, ...] = (double_a_line, lose_a_line, exchange_lines, empty, zero_a_block)


class _Trials:
    """Trials on copies of a run that was stopped half-way."""

    def __init__(self, request: Request, half: Path, whole: Path, chance: random.Random) -> None:
        self.request, self.half, self.whole, self.chance = request, half, whole, chance
        self.number = 0

    def copy(self, home: Path) -> Path:
        """Copy a results folder and return the copy."""
        self.number += 1
        return Path(shutil.copytree(home, self.request.folder / f"damaged-{self.number:03d}"))

    def resume(self, home: Path) -> str | None:
        """Resume the only run, which must end like an undisturbed run or be refused in one line."""
        folder = only_run(home)
        before = {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}
        ended = forked(
            ["run", "--resume", folder.name], environment(self.request, home), home / "current-folder"
        )
        if ended.status == 0:
            return differs(folder, self.whole)
        after = {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}
        changed = "a refused resume changed checkpoints" if before != after else None
        return first_problem([ended.one_line(1, 2), changed])

    def checkpoints(self) -> Tally:
        """Damage the newest checkpoint."""
        tally = Tally(
            "newest checkpoint damaged (a bit, cut, emptied, zeros)",
            "resumed from the checkpoint before; at the end as a run never damaged, bit for bit",
        )
        for number in range(self.request.trials(CHECKPOINTS)):
            home = self.copy(self.half)
            newest = max((only_run(home) / "checkpoints").glob("step-*.safetensors"))
            damage = FILE_DAMAGE[number % len(FILE_DAMAGE)]
            newest.write_bytes(damage(newest.read_bytes(), self.chance))
            tally.add(self.resume(home) or _complete(home))
        return tally

    def foreign(self, other: Path) -> Tally:
        """Replace the newest checkpoint by another run's checkpoint."""
        tally = Tally(
            "newest checkpoint exchanged with another run's",
            "resumed from the checkpoint before; at the end as a run never damaged, bit for bit",
        )
        for _ in range(self.request.trials(FOREIGN)):
            home = self.copy(self.half)
            newest = max((only_run(home) / "checkpoints").glob("step-*.safetensors"))
            shutil.copy(max((other / "checkpoints").glob("step-*.safetensors")), newest)
            tally.add(self.resume(home) or _complete(home))
        return tally

    def records(self) -> Tally:
        """Damage the record of a stopped run, then resume."""
        tally = Tally(
            "record damaged (line doubled, lost, exchanged, cut; emptied; zeros), then resumed",
            "refused with one line and checkpoints untouched, or at the end as a run never damaged",
        )
        for number in range(self.request.trials(RECORDS)):
            home = self.copy(self.half)
            path = only_run(home) / "record.jsonl"
            damage = LINE_DAMAGE[number % len(LINE_DAMAGE)]
            path.write_bytes(damage(path.read_bytes(), self.chance))
            problem = self.resume(home)
            tally.add(f"{damage.__name__}: {problem}" if problem else None)
        return tally

    def finished_records(self) -> Tally:
        """Damage the record of a finished run, then make a table of that run and an undamaged one."""
        tally = Tally(
            "record of a finished run damaged, then `bench table`",
            "left out with a warning (an emptied one as not begun); sound runs are in the table",
        )
        for number in range(self.request.trials(RECORDS // 2)):
            home = self.copy(self.whole.parents[2])
            sound = only_run(home)
            damaged = Path(shutil.copytree(sound, sound.with_name("0" * 32)))
            path = damaged / "record.jsonl"
            damage = FINISHED_DAMAGE[number % len(FINISHED_DAMAGE)]
            path.write_bytes(damage(path.read_bytes(), self.chance))
            tally.add(self.table(home, damaged.name, warns=damage is not empty))
        return tally

    def descriptions(self) -> Tally:
        """Damage or edit the run.json of a stopped run beside an undamaged finished run."""
        tally = Tally(
            "run.json damaged, or a value in it edited",
            "that run is refused with one line; commands on other runs work",
        )
        for number in range(self.request.trials(DESCRIPTIONS)):
            home = self.copy(self.whole.parents[2])
            half = only_run(self.half)
            damaged = Path(shutil.copytree(half, home / "mlruns" / "runs" / half.name))
            path = damaged / "run.json"
            damage = (edit_gamma, *FILE_DAMAGE)[number % 5]
            path.write_bytes(damage(path.read_bytes(), self.chance))
            env = environment(self.request, home)
            resumed = forked(["run", "--resume", half.name], env, home / "current-folder")
            refused = resumed.one_line(1, 2)
            tally.add(first_problem([refused, self.table(home, damaged.name)]))
        return tally

    def table(self, home: Path, damaged: str, warns: bool = True) -> str | None:
        """Make a table of all runs, which must contain the undamaged run only."""
        env = environment(self.request, home)
        ended = forked(["table", "--json"], env, home / "current-folder")
        if ended.status or "Traceback" in ended.err:
            return f"bench table ended with status {ended.status}: {ended.err[-200:]}"
        if warns and "warning" not in ended.err:
            return "bench table skips the damaged run without a warning"
        if damaged in json.dumps(printed_json(ended)):
            return "the damaged run is in the table"
        return None


def edit_gamma(content: bytes, chance: random.Random) -> bytes:
    """Return a description with another gamma."""
    description = json.loads(content)
    description["config"]["gamma"] = round(chance.uniform(0.1, 0.9), 3)
    return (json.dumps(description, indent=2) + "\n").encode()


def _complete(home: Path) -> str | None:
    record = (only_run(home) / "record.jsonl").read_text()
    return None if '"status": "FINISHED"' in record else "the run was not resumed"
