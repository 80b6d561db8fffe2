"""``bench doctor``: what this machine has, where things lie, what is missing."""

from dataclasses import asdict

import click

from bench.commands.output import Report, reporting, table


@click.command("doctor")
@reporting
def command() -> Report:
    """Say where results and caches lie, which judges and data are here, and which runs were cut off."""
    from bench import environment, places
    from bench.datasets import catalogue
    from bench.judging.extractors import availability
    from bench.run_folder import all_runs, is_held
    from bench.tracking.process import tracking_uri

    facts = environment.facts()
    where = {
        "results": str(places.results()),
        "tracking store": tracking_uri(),
        "caches": str(places.cache()),
        "data sets": str(places.datasets()),
    }
    judges = [asdict(row) for row in availability(places.cache())]
    data = [asdict(row) for row in catalogue(places.datasets(), places.cache())]
    described = [(run, run.describe()) for run in all_runs()]
    # a study looks after its trials, and most of them are pruned
    own = [(run, description["name"]) for run, description in described if "study" not in description]
    cut_off = [name for run, name in own if not run.is_over() and not is_held(run)]
    machine = {name: value for name, value in facts.items() if name != "packages"}
    parts = [
        "Places\n" + table(list(where.items())),
        "Machine\n" + table([(name, str(value)) for name, value in machine.items()]),
        "Packages\n" + table([(name, str(value)) for name, value in facts["packages"].items()]),
        "Judges\n" + table([tuple(map(str, row.values())) for row in judges], tuple(judges[0])),
        "Data\n" + table([(row["name"], row["present"], row["missing"]) for row in data]),
    ]
    if cut_off:
        parts.append("Cut off\n" + "\n".join(f"bench run --resume {name}" for name in cut_off))
    report = {"places": where, "machine": facts, "judges": judges, "datasets": data, "cut_off": cut_off}
    return Report(report, "\n\n".join(parts))
