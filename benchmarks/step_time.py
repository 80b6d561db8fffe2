"""What a step costs: the common trainer over a bare loop, and one form of a step over the other.

One command, ``python benchmarks/step_time.py``. Two sides take turns, block by block, in the order
ABBA, so that a drift of the machine reaches both alike. What is reported is the ratio of the two times
in each pair of blocks: its median and its quartiles. See benchmarks/README.md.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from interleaved import compare
from torch import Tensor

from bench import environment
from bench.configuration import Configuration, resolve, variant_named
from bench.cost import cost
from bench.errors import RequestError, WorkError
from bench.progress import Progress
from bench.record import RecordWriter
from bench.trainer import Trainer
from bench.workbench import Workbench, plan_of, prepare_workbench
from variants.base import Batch, NetworkName, Scalars
from variants.noise import Noise
from variants.registry import all_variants

ENDLESS = 10**12  # steps of a plan that is never reached, so that nothing is judged or saved


def set_up(configuration: Configuration) -> Workbench:
    """Load the data and draw the networks as ``bench run`` does."""
    return prepare_workbench(configuration, Progress())


def wait_for(device: torch.device) -> None:
    """Return when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class BlockEnd(Exception):
    """A block's last step is done."""


class ThroughTrainer:
    """Steps of the common trainer, with a real record.

    The trainer is driven by its public surface alone. It asks `stop_requested` after each step, when
    the step is complete; at a block's end that callable raises :class:`BlockEnd`, which leaves
    ``train()`` before anything is saved. The next call of ``train()`` goes on with the next step and
    first brings the last block's waiting scalars to the host, so every step's scalars are drained
    within some block.

    Parameters
    ----------
    bench : Workbench
        What to train.
    folder : Path
        Where the record goes.
    """

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self.variant = bench.variant
        self.writer = RecordWriter(folder / "record.jsonl")
        self._last = 0
        self.trainer = Trainer(
            variant=bench.variant,
            batches=bench.batches,
            plan=replace(
                plan_of(bench.configuration.harness), steps=ENDLESS, eval_every=0, checkpoint_every=ENDLESS
            ),
            hyperparameters=bench.configuration.hyperparameters,
            device=bench.device,
            writer=self.writer,
            folder=folder,
            measure=lambda sampler: {},  # never called: the plan's end is never reached
            lower_is_better="nothing",
            stop_requested=self._end_block,
        )

    def _end_block(self) -> bool:
        if self.trainer.step >= self._last:
            raise BlockEnd
        return False

    def prepare(self, steps: int) -> None:
        """Nothing: the trainer takes its batches itself."""

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        self._last = self.trainer.step + steps
        try:
            self.trainer.train()
        except BlockEnd:
            return

    def wait(self) -> None:
        """Return when the device has done what it was given."""
        wait_for(self.trainer.device)


class BareLoop:
    """The least that trains the same networks: phases, Adam's steps and settle, on ready batches.

    Nothing is recorded, no rate is set, no scalar leaves the device.

    Parameters
    ----------
    bench : Workbench
        What to train.
    """

    def __init__(self, bench: Workbench) -> None:
        self.variant = bench.variant
        self.device = bench.device
        self._batches = bench.batches
        self._seed = bench.configuration.harness.seed
        self._step = 0
        self._taken = 0
        self._ready: list[Tensor] = []
        knobs = bench.configuration.hyperparameters
        rates: dict[NetworkName, float] = {"generator": knobs.lr_g, "discriminator": knobs.lr_d}
        self._optimizers = {
            network: torch.optim.Adam(
                self.variant.trainable(network),
                lr=rate,
                betas=(knobs.beta1, knobs.beta2),
                eps=knobs.adam_epsilon,
            )
            for network, rate in rates.items()
        }
        self.variant.train()

    def prepare(self, steps: int) -> None:
        """Slice the real batches of the next steps."""
        count = steps * sum(phase.new_real for phase in self.variant.phases())
        self._ready = [self._batches.take(self._taken + place) for place in range(count)]
        self._taken += count

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        phases = self.variant.phases()
        ready = iter(self._ready)
        nothing = torch.empty(0)
        for _ in range(steps):
            self._step += 1
            batch = Batch(nothing, Noise(self._seed, self._step, self.device))
            scalars: Scalars = {}
            for phase in phases:
                if phase.new_real:
                    batch.real = next(ready)
                for network in phase.updates:
                    self._optimizers[network].zero_grad(set_to_none=True)
                scalars |= phase.accumulate_gradients(batch)
                for network in phase.updates:
                    self._optimizers[network].step()
            self.variant.settle(batch, scalars)

    def wait(self) -> None:
        """Return when the device has done what it was given."""
        wait_for(self.device)


@contextmanager
def trainers(*benches: Workbench) -> Iterator[list[ThroughTrainer]]:
    """Trainers with records in a temporary folder, which goes at the end."""
    with tempfile.TemporaryDirectory(prefix="step-time-") as folder:
        sides = []
        for number, bench in enumerate(benches):
            place = Path(folder) / str(number)
            place.mkdir()
            sides.append(ThroughTrainer(bench, place))
        try:
            yield sides
        finally:
            for side in sides:
                side.writer.close()


def same_weights(trainer: ThroughTrainer, bare: BareLoop) -> bool | None:
    """Whether both sides came to the same state, bit for bit; None where the rule has moved a rate."""
    for network, optimizer in trainer.trainer.optimizers.items():
        if optimizer.param_groups[0]["lr"] != trainer.trainer.learning_rates[network]:
            return None
    weights, others = trainer.variant.state_dict(), bare.variant.state_dict()
    return all(torch.equal(weights[name], others[name]) for name in weights)


def overhead(configuration: Configuration, steps: int | None, pairs: int) -> dict[str, Any]:
    """Time the trainer over a bare loop; both start from the same weights and see the same draws."""
    with trainers(set_up(configuration)) as (trainer,):
        bare = BareLoop(set_up(configuration))
        comparison = compare(trainer, bare, steps, pairs)
        same = same_weights(trainer, bare)
    flat = configuration.flat()
    return comparison.describe("trainer", "bare") | {
        "same_weights": same,
        "update": flat.get("update"),
        "ema_decay": flat["ema_decay"],
    }


def forms(configuration: Configuration, steps: int | None, pairs: int) -> dict[str, Any] | None:
    """Time the simultaneous form over the alternating one; None where a variant has no such choice."""
    if "update" not in type(configuration.hyperparameters).model_fields:
        return None
    pair = [configuration.with_values(update=form) for form in ("simultaneous", "alternating")]
    benches = [set_up(each) for each in pair]
    operations = [cost(bench.configuration).step_operations for bench in benches]
    with trainers(*benches) as (simultaneous, alternating):
        comparison = compare(simultaneous, alternating, steps, pairs)
    return comparison.describe("simultaneous", "alternating") | {
        "step_operations": {"simultaneous": operations[0], "alternating": operations[1]},
        "operations_ratio": operations[0] / operations[1],
    }


def measure(configuration: Configuration, steps: int | None, pairs: int) -> dict[str, Any]:
    """Both comparisons of one variant."""
    say("  trainer against bare loop")
    costs = overhead(configuration, steps, pairs)
    say("  simultaneous against alternating")
    return {
        "configuration": configuration.flat(),
        "overhead": costs,
        "forms": forms(configuration, steps, pairs),
    }


def say(message: str) -> None:
    """Tell how far the work is, beside the results."""
    click.echo(message, err=True)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Lines of a Markdown table whose columns stand under each other; all but the first to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: list[str]) -> str:
        aligned = [cells[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(aligned) + " |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def timing_cells(result: dict[str, Any], first: str, second: str) -> list[str]:
    """Give the cells that both tables have: ratio, quartiles, a step's times, a block's steps and length."""
    low, high = result["ratio_quartiles"]
    length = median(result["block_seconds"][first])
    return [
        f"{result['ratio_median']:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{result[f'{first}_step_ms']:.2f}",
        f"{result[f'{second}_step_ms']:.2f}",
        str(result["steps_per_block"]),
        f"{length:.2f}",
        str(len(result["block_seconds"][first])),
    ]


def overhead_table(results: dict[str, Any]) -> str:
    """Lay out the trainer over the bare loop, one row a variant."""
    header = ["variant", "form", "EMA", "trainer / bare", "quartiles", "trainer ms", "bare ms"]
    header += ["steps a block", "block s", "pairs", "same weights"]
    rows = []
    for name, result in results.items():
        row = result["overhead"]
        start = [name, row["update"] or "-", f"{row['ema_decay']:g}" if row["ema_decay"] else "-"]
        end = [{True: "yes", False: "no", None: "-"}[row["same_weights"]]]
        rows.append([*start, *timing_cells(row, "trainer", "bare"), *end])
    return "Overhead: time of a step, common trainer / bare loop\n\n" + table(header, rows)


def forms_table(results: dict[str, Any]) -> str:
    """Lay out the simultaneous form over the alternating one, one row a variant that has both."""
    header = ["variant", "time ratio", "quartiles", "simultaneous ms", "alternating ms"]
    header += ["steps a block", "block s", "pairs", "multiply ratio"]
    rows = [
        [name, *timing_cells(row, "simultaneous", "alternating"), f"{row['operations_ratio']:.3f}"]
        for name, row in ((name, result["forms"]) for name, result in results.items())
        if row
    ]
    return "Forms: time of a step, simultaneous / alternating\n\n" + table(header, rows) if rows else ""


def machine_line(machine: dict[str, Any], preset: str) -> str:
    """Tell the machine and its load in one line."""
    packages = machine["packages"]
    where = machine["gpu"] or f"{machine['processor']} ({machine['cores']} cores)"
    load = " to ".join(f"{value:.1f}" for value in machine["load"])
    return (
        f"{where}, CPU threads {machine['threads']}, torch {packages['torch']}, Python {machine['python']}, "
        f"preset {preset}, commit {machine['commit']}, load average {load}"
    )


def load_average() -> float:
    """Count processes that ran or waited in the last minute, ours included."""
    import psutil

    return float(psutil.getloadavg()[0])


def run(
    names: list[str], preset: str, steps: int | None, pairs: int, threads: int
) -> tuple[dict[str, Any], int]:
    """Measure variants one after another; a variant that cannot be measured is told of and left out.

    Returns
    -------
    dict, int
        The results with the machine's description, and the exit status.
    """
    results: dict[str, Any] = {}
    status, before = 0, load_average()
    for name in names:
        say(name)
        try:
            configuration = resolve({"variant": name, "preset": preset, "threads": threads})
            results[name] = measure(configuration, steps, pairs)
        except WorkError as error:
            say(f"step_time: {name}: {error}")
            status = 1
    machine = environment.facts() | {"load": [before, load_average()]}
    return {"machine": machine, "preset": preset, "pairs": pairs, "variants": results}, status


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--variant", "names", multiple=True, help="A variant's name; repeatable. All by default.")
@click.option(
    "--preset", default="quick", show_default=True, help="The preset that each variant starts from."
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Steps of a block; by default what takes about 1 s."
)
@click.option("--pairs", type=click.IntRange(min=2), default=15, show_default=True, help="Pairs of blocks.")
@click.option(
    "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; torch's number by default."
)
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here."
)
def main(
    names: tuple[str, ...], preset: str, steps: int | None, pairs: int, threads: int, file: Path | None
) -> None:
    """Time a step: common trainer over a bare loop, simultaneous over alternating form."""
    try:
        chosen = [variant_named(name).name for name in names] or list(all_variants())
        results, status = run(chosen, preset, steps, pairs, threads)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    if file:
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if measured := results["variants"]:
        parts = [machine_line(results["machine"], preset), overhead_table(measured), forms_table(measured)]
        click.echo("\n\n".join(part for part in parts if part))
    sys.exit(status)


if __name__ == "__main__":
    main()
