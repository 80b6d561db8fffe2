"""Misspelt options and arguments too many are answered with what was probably meant."""

from pathlib import Path

import pytest

from bench.cli import COMMANDS, MEANT, main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --varant began", "run has no option '--varant': did you mean '--variant'?"),
        ("sample last --checkpont best", "sample has no option '--checkpont': did you mean '--checkpoint'?"),
        ("doctor -x", "doctor has no option '-x': `bench doctor --help` lists what there is"),
        ("runs --health ok", "runs has no option '--health': did you mean `--where \"health == 'ok'\"`?"),
        ("table --seed=3", "table has no option '--seed': did you mean '--where \"seed == 3\"'?"),
        ("runs --batch-size 64", "runs has no option '--batch-size': did you mean '--where \"batch_size =="),
        ("table --tf32 true", "table has no option '--tf32': did you mean '--where \"tf32 == True\"'?"),
        ("report --gamma 0.5", "report has no option '--gamma': did you mean '--where \"gamma == 0.5\"'?"),
        ("plot --preset", "plot has no option '--preset': did you mean `--where \"preset == '...'\"`?"),
        ("runs --variants began", "runs has no option '--variants': did you mean '--variant'?"),
        (
            "studies --where seed>1",
            "studies has no option '--where', which plot, table, report and runs have: `bench studies",
        ),
        ("doctor --wher x", "doctor has no option '--wher': `bench doctor --help` lists what there is"),
        ("delete last", "unknown command 'delete': did you mean `bench runs --delete RUN`?"),
        ("resume last", "unknown command 'resume': did you mean `bench run --resume RUN`?"),
        ("--versoin", "bench has no option '--versoin': did you mean '--version'?"),
        ("run began-v3", "run takes no argument 'began-v3': did you mean '--variant began-v3'?"),
        ("run began-v4", "run takes no argument 'began-v4': did you mean '--variant began-v3'?"),
        ("run began,wgan-gp", "run takes no argument 'began,wgan-gp': did you mean '--variant began,wgan"),
        ("run --seed 3 quick", "run takes no argument 'quick': did you mean '--preset quick'?"),
        ("run ring-8", "run takes no argument 'ring-8': did you mean '--dataset ring-8'?"),
        ("run last", "run takes no argument 'last': did you mean '--resume last'?"),
        ("table began", "table takes no argument 'began': did you mean '--variant began'?"),
        ("table 17", "table takes no argument '17': `bench table --help` lists what there is"),
        ("eval last --samples 200 best", "eval takes no further argument 'best': `bench eval --help` lists"),
        ("study smoke began-v3", "study takes no further argument 'began-v3': did you mean '--variant began"),
        ("eval", "Missing argument 'RUN'."),
        ("run --workers x", "Invalid value for '--workers': 'x' is not a valid integer"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_refused_with_what_was_meant(
    words: str, message: str, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"bench: {message}")
    assert captured.out == ""
    assert not bench_home.exists()


@pytest.mark.parametrize("name", sorted(MEANT))
def test_what_stands_for_an_unknown_command_is_one_with_options_that_it_has(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *words = MEANT[name].split()
    assert name not in COMMANDS
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out.split()
    assert all(word in shown for word in words if word.startswith("--"))
