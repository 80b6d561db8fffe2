"""``bench doctor``: report what this machine has and what is missing."""

from dataclasses import asdict
from shlex import quote

import click

from bench.commands.output import Report, reporting, table


@click.command("doctor")
@reporting
def command() -> Report:
    """Report what this machine has and what is missing.

    Folders, machine, packages, plug-ins, judges and data sets; interrupted and damaged runs.
    """
    from bench.datasets import list_datasets
    from bench.datasets.registry import DATASETS
    from bench.judging.extractors import availability
    from bench.judging.extractors.registry import EXTRACTORS
    from bench.judging.metrics.registry import METRICS
    from bench.runs import environment
    from bench.runs.record import RecordEvents
    from bench.runs.run_folder import is_held, survey
    from bench.system import paths
    from bench.system.errors import WorkError
    from bench.tracking.store_choice import current_store
    from variants.registry import VARIANTS

    facts = environment.facts().model_dump(exclude={"ranks"})
    folders = {
        "results": str(paths.results()),
        "tracking store": current_store().shown,
        "caches": str(paths.cache()),
        "data sets": str(paths.datasets()),
    }
    judges = [asdict(row) for row in availability(paths.cache())]
    data = [asdict(row) for row in list_datasets(paths.datasets(), paths.cache())]
    registries = (VARIANTS, DATASETS, METRICS, EXTRACTORS)
    plugins = [asdict(plugin) for registry in registries for plugin in registry.plugins()]
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
    machine = {name: value for name, value in facts.items() if name != "packages"}
    parts = [
        "Folders\n" + table(list(folders.items())),
        "Machine\n" + table([(name, str(value)) for name, value in machine.items()]),
        "Packages\n" + table([(name, str(value)) for name, value in facts["packages"].items()]),
        "Judges\n" + table([tuple(map(str, row.values())) for row in judges], tuple(judges[0])),
        "Data\n" + table([(row["name"], row["present"], row["missing"]) for row in data]),
    ]
    if plugins:
        rows = [(*each.values(),) for each in ({**row, "names": ", ".join(row["names"])} for row in plugins)]
        parts.insert(3, "Plug-ins\n" + table(rows, tuple(plugins[0])))
    if interrupted:
        parts.append("Interrupted\n" + "\n".join(f"bench run --resume {quote(name)}" for name in interrupted))
    if damaged:
        parts.append("Damaged\n" + "\n".join(damaged.values()))
    report = {
        "folders": folders,
        "machine": facts,
        "plugins": plugins,
        "judges": judges,
        "datasets": data,
        "interrupted": interrupted,
    }
    report["damaged"] = [{"file": file, "reason": reason} for file, reason in damaged.items()]
    return Report(report, "\n\n".join(parts))
