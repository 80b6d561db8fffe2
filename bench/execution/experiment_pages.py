"""What MLflow's page of an experiment should show first, read from the descriptions of its runs."""

from dataclasses import dataclass

from bench.comparing.scalars import compared
from bench.runs import run_folder
from bench.runs.description import RunDescription
from bench.tracking import metric_names

MOST_METRICS = 10
TAGS = ("variant", "seed", "health")


@dataclass(frozen=True)
class ExperimentPage:
    """The page of an experiment.

    Attributes
    ----------
    experiment : str
        Name of the MLflow experiment.
    runs : int
        Number of runs in the experiment that are tracked.
    metrics : list of str
        Metrics in MLflow to compare the runs by: scalars that tables show, and Frechet distances.
    """

    experiment: str
    runs: int
    metrics: list[str]


def experiment_pages() -> list[ExperimentPage]:
    """Return a page for each experiment with tracked runs, that of the newest run first."""
    known: dict[str, list[RunDescription]] = {}
    for _, description in reversed(run_folder.survey().runs):
        if description.tracking is not None:
            known.setdefault(description.config.experiment, []).append(description)
    return [
        ExperimentPage(experiment, len(descriptions), _metrics(descriptions))
        for experiment, descriptions in known.items()
    ]


def _metrics(descriptions: list[RunDescription]) -> list[str]:
    distances = [metric_names.of_evaluation(each.metric) for each in descriptions if each.is_judged]
    scalars = [metric_names.of_step(s.name) for each in descriptions for s in compared(each.scalars)]
    return list(dict.fromkeys(scalars + distances))[:MOST_METRICS]
