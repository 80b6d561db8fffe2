"""Wrong requests: command lines with the files that they name, each of which must be refused in one line.

The list is the same at every call. No request trains, and none may create anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILE = "wrong.yaml"  # name of the file in the arguments of a request
RUN = ("run", "--variant", "began", "--set", "tracking=false", "--device", "cpu")

# texts that are neither numbers, names nor choices
ODD_WORDS = {
    "empty": "",
    "space": " ",
    "nul": "a\0b",
    "newline": "a\nb",
    "escape": "\x1b[31mred",
    "surrogate": "\udc80\udcff",
    "right to left": "\u202eabc",
    "slashes": "../../etc/passwd",
    "long": "x" * 5000,
    "quote": "'\"`$(true)",
    "emoji": "\N{PILE OF POO}" * 40,
    "percent": "%s%n{0}",
}
# allowed as names of experiments
VALID_NAMES = ("slashes", "quote", "emoji", "percent")
# texts that are no numbers, and numbers out of every range
ODD_NUMBERS = {
    "nan": "nan",
    "inf": "inf",
    "-inf": "-inf",
    "1e400": "1e400",
    "1e308": "1e308",
    "negative": "-1",
    "ten to 30": str(10**30),
    "5,000 digits": "9" * 5000,
    "fraction": "1.5",
    "hexadecimal": "0x10",
    "yes": "yes",
    "true": "true",
    "list": "[1, 2]",
    "arabic digits": "\u0663",
}
WHOLE = (
    "seed", "steps", "batch_size", "image_size", "latent_dim", "filters", "eval_samples", "eval_every",
    "checkpoint_every", "threads", "lr_window", "micro_batches",
)  # fmt: skip
REAL = ("epochs", "gamma", "lambda_k", "lr_g", "beta1", "ema_decay", "adam_epsilon", "lr_floor")
CHOICES = ("channels", "device", "norm", "extractor", "compile", "tracking", "figures", "prior", "lr_rule")
UNBOUNDED = ("epochs", "lambda_k", "lr_g", "adam_epsilon", "lr_floor")  # 3 and 10**30 are valid values

YAML = {
    "impossible date": "steps: 2024-13-45\n",
    "date": "steps: 2024-12-24\n",
    "time": "seed: 2024-12-24 10:00:00\n",
    "tag on text": "steps: !!int abc\n",
    "tag on number": "steps: !!float 3\n",
    "tag of python": "steps: !!python/object/apply:os.system ['true']\n",
    "tag of binary": "experiment: !!binary aGFsbG8=\n",
    "own tag": "steps: !mine 3\n",
    "20,000 brackets": "steps: " + "[" * 20_000,
    "20,000 braces": "steps: " + "{a: " * 20_000,
    "20,000 dashes": "- " * 20_000,
    "closed brackets": "steps: " + "[" * 500 + "]" * 500 + "\n",
    "aliases": "seed:\n- &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"- &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "alias of itself": "seed: &a [*a]\n",
    "merge key": "base: &b {steps: 3}\n<<: *b\n",
    "anchor alone": "steps: &s 3\n",
    "unknown alias": "steps: *none\n",
    "key twice": "steps: 3\nsteps: 4\n",
    "key twice, below": "steps: {a: 1, a: 2}\n",
    "number as key": "3: steps\n",
    "true as key": "true: 3\n",
    "null as key": "~: 3\n",
    "list as key": "? [a, b]\n: 3\n",
    "mapping as key": "? {a: b}\n: 3\n",
    "true for a number": "seed: true\n",
    "yes for a number": "steps: yes\n",
    "off for a number": "seed: off\n",
    "whole fraction": "steps: 3.0\n",
    "exponent": "steps: 1e3\n",
    "hexadecimal": "steps: 0x10\n",
    "sexagesimal": "steps: 1:30\n",
    "nan": "gamma: .nan\n",
    "infinity": "gamma: .inf\n",
    "overflow": "gamma: 1e400\n",
    "5,000 digits": "seed: " + "9" * 5000 + "\n",
    "list for a number": "seed: [1]\n",
    "mapping for a number": "seed: {a: 1}\n",
    "long list": "seed: [" + "1, " * 20_000 + "1]\n",
    "number for a text": "experiment: 3\n",
    "true for a text": "experiment: true\n",
    "list for a text": "experiment: [a]\n",
    "number for true": "figures: 3\n",
    "text for true": "figures: perhaps\n",
    "mapping as preset": "preset: {a: 1}\n",
    "list as data set": "dataset: [mnist-5k]\n",
    "unknown key": "gama: 1\n",
    "long key": "x" * 900 + ": 1\n",
    "control in a key": '"a\\x1b[31m": 1\n',
    "two documents": "steps: 3\n---\nsteps: 4\n",
    "a list": "- steps\n",
    "a text": "steps\n",
    "a number": "3\n",
    "nothing": "",
    "comment only": "# steps: 3\n",
    "open bracket": "steps: [1\n",
    "open quote": 'steps: "3\n',
    "tabs": "steps:\n\t- 3\n",
    "bad indent": "a: 1\n  b: 2\n c: 3\n",
    "bad escape": 'experiment: "\\q"\n',
    "escape in a text": 'experiment: "a\\x1bb"\n',
    "NUL in a text": 'experiment: "a\\0b"\n',
    "newline in a text": 'experiment: "a\\nb"\n',
    "blank text": 'experiment: "  "\n',
    "long text": "experiment: " + "x" * 5000 + "\n",
    "too large": "# " + "x" * 2**18 + "\nsteps: 3\n",
    "directive": "%YAML 9.9\n---\nsteps: 3\n",
    "reserved": "steps: @3\n",
    "backtick": "steps: `3`\n",
}
BYTES = {
    "no UTF-8": b"steps: \xff\xfe\n",
    "UTF-16": "steps: 3\n".encode("utf-16"),
    "NUL bytes": b"steps: \0\0\n",
    "noise": bytes(range(256)),
}
STUDIES = {
    "true trials": "trials: true\n",
    "fractional trials": "trials: 2.0\n",
    "no trials": "trials: 0\n",
    "endless trials": "trials: 1000000000000\n",
    "true seed": "seeds: [true]\n",
    "fractional seed": "seeds: [1.0]\n",
    "negative seed": "seeds: [-1]\n",
    "huge seed": f"seeds: [{2**63}]\n",
    "same seeds": "seeds: [1, 1]\n",
    "no objectives": "objectives: []\n",
    "range of nan": "search: {gamma: {low: .nan, high: 1}}\n",
    "range of infinity": "search: {gamma: {low: 0.1, high: .inf}}\n",
    "turned range": "search: {gamma: {low: 0.9, high: 0.1}}\n",
    "true as bound": "search: {gamma: {low: true, high: 1}}\n",
    "beyond the knob": "search: {gamma: {low: 0.1, high: 9}}\n",
    "huge choice": "search: {latent_dim: {choices: [1000000000000]}}\n",
    "empty choices": "search: {gamma: {choices: []}}\n",
    "name with newline": 'search: {"a\\nb": declared}\n',
    "number as name": "search: {3: declared}\n",
    "text for a range": "search: gamma\n",
    "unknown knob": "search: {gama: declared}\n",
    "unknown sampler": "sampler: {name: best}\n",
    "fractional warmup": "pruner: {warmup: 7}\n",
    "seed among settings": "settings: {seed: 1}\n",
    "true setting": "settings: {steps: true}\n",
    "huge setting": "settings: {filters: 1000000000000}\n",
    "alias": "seeds: &s [0]\nfresh_seeds: *s\n",
    "deep": "settings: " + "[" * 5000,
}


@dataclass(frozen=True)
class WrongRequest:
    """One request that must be refused.

    Attributes
    ----------
    name : str
        Short description, unique.
    words : tuple of str
        Arguments after ``bench``, in which :data:`FILE` is the file below.
    files : dict
        Contents of files by their names in the current folder of the request.
    status : int
        Required exit status: 2, or 1 if the request is correct and the work fails.
    """

    name: str
    words: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 2

    def in_folder(self, folder: Path) -> list[str]:
        """Write the files into a folder, and return the arguments."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return [str(folder / word) if word in self.files else word for word in self.words]


def wrong_requests() -> list[WrongRequest]:
    """Every wrong request, in a fixed order."""
    return [*_knobs(), *_configuration_files(), *_study_files(), *_options(), *_sizes()]


def _knobs() -> Iterator[WrongRequest]:
    for knob in WHOLE:
        for name, word in ODD_NUMBERS.items():
            yield WrongRequest(f"--set {knob}: {name}", (*RUN, *_length(knob), "--set", f"{knob}={word}"))
    for knob in REAL:
        for name, word in ODD_NUMBERS.items():
            if name != "fraction" and not (knob in UNBOUNDED and name in ("arabic digits", "ten to 30")):
                yield WrongRequest(f"--set {knob}: {name}", (*RUN, "--set", f"{knob}={word}"))
    for knob in CHOICES:
        for name, word in ODD_WORDS.items():
            yield WrongRequest(f"--set {knob}: {name}", (*RUN, *_length(knob), "--set", f"{knob}={word}"))


def _length(knob: str) -> tuple[str, ...]:
    """The option that gives a run its length, unless the knob does."""
    return () if knob == "steps" else ("--steps", "3")


def _configuration_files() -> Iterator[WrongRequest]:
    words = (*RUN, "--config", FILE)
    for name, text in YAML.items():
        yield WrongRequest(f"--config: {name}", words, {FILE: text.encode()})
    yield WrongRequest("--config: list as variant", ("run", "--config", FILE), {FILE: b"variant: [began]\n"})
    for name, content in BYTES.items():
        yield WrongRequest(f"--config: {name}", words, {FILE: content})


def _study_files() -> Iterator[WrongRequest]:
    for name, text in STUDIES.items():
        words = ("study", FILE, "--variant", "began", "--set", "tracking=false", "--dry-run")
        yield WrongRequest(f"study: {name}", words, {FILE: text.encode()})


def _options() -> Iterator[WrongRequest]:
    """Options and arguments of every command, with odd words and with numbers beyond their ranges."""
    for name, word in ODD_WORDS.items():
        for option in ("--variant", "--dataset", "--experiment", "--seeds", "--resume", "--config"):
            if option == "--experiment" and name in VALID_NAMES:
                continue
            words = RUN if option != "--variant" else ("run", *RUN[3:])
            yield WrongRequest(f"run {option}: {name}", (*words, f"{option}={word}"))
        for command in ("eval", "verify", "sample", "interpolate", "export", "plot"):
            yield WrongRequest(f"{command} RUN: {name}", (command, "--", word))
        yield WrongRequest(f"variants NAME: {name}", ("variants", "--", word))
        yield WrongRequest(f"study NAME: {name}", ("study", "--", word))
        yield WrongRequest(f"command: {name}", ("--", word))
        yield WrongRequest(f"table --study: {name}", ("table", f"--study={word}"))
        yield WrongRequest(f"table --paper: {name}", ("table", f"--paper={word}"))
        yield WrongRequest(f"table --format: {name}", ("table", f"--format={word}"))
    counts = {"run --workers": RUN, "study --workers": ("study", "smoke")}
    counts |= {"study --trials": ("study", "smoke"), "study --timeout": ("study", "smoke")}
    counts |= {"eval --samples": ("eval", "last"), "eval --eval-seeds": ("eval", "last")}
    counts |= {"sample --count": ("sample", "last"), "sample --seed": ("sample", "last")}
    counts |= {"verify --steps": ("verify", "last"), "verify --tolerance": ("verify", "last")}
    counts |= {"interpolate --rows": ("interpolate", "last"), "interpolate --seed": ("interpolate", "last")}
    counts |= {"ui --port": ("ui",), "plot --steps": ("plot", "--variant=began", "--out=x")}
    for label, words in counts.items():
        option = label.partition(" ")[2]
        for name, word in ODD_NUMBERS.items():
            # minutes may be a fraction, and Python reads these digits as 3
            if name == "arabic digits" or (name == "fraction" and option == "--timeout"):
                continue
            yield WrongRequest(f"{label}: {name}", (*words, f"{option}={word}"))
    for name, word in {
        "huge range": "0-999999999999",
        "turned range": "9-3",
        "many ranges": ",".join(f"{n}000-{n}999" for n in range(1, 50)),
        "5,000 digits": "9" * 5000,
        "beyond 64 bits": str(2**63),
        "fraction": "0.5",
        "open range": "3-",
    }.items():
        yield WrongRequest(f"run --seeds: {name}", (*RUN, f"--seeds={word}"))
    for command in (("table",), ("report",)):
        yield WrongRequest(f"{command[0]} --out: no folder", (*command, "--out", "/no/such/folder/file"))
        yield WrongRequest(f"{command[0]} --out: a folder", (*command, "--out", "/"))


def _sizes() -> Iterator[WrongRequest]:
    """What no machine has memory or threads for."""
    base = (*RUN, "--steps", "3", "--set", "extractor=shipped", "--set", "figures=false")
    for setting in (
        "latent_dim=1000000000",
        "filters=1000000",
        "eval_samples=1000000000000",
        "batch_size=1000000",
        "image_size=4096",
        "threads=100000",
        "threads=4096",
    ):
        yield WrongRequest(f"size: {setting}", (*base, "--set", setting))
    both = ("--set", "filters=1000000", "--set", "latent_dim=1000000000")
    yield WrongRequest("size: both", (*base, *both))
