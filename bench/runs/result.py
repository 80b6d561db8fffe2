"""What a run that is over or was just trained gives back, to Python and to notebooks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.runs import notebook_html, record, run_folder
from bench.runs.description import RunDescription
from bench.runs.record import alarm_tag
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, unknown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunResult:
    """Result of a run; a notebook shows it as a table with the newest samples.

    Attributes
    ----------
    run : RunFolder
        Folder of the run.
    description : RunDescription
        Content of run.json.
    record : Record
        Content of the record.
    """

    run: RunFolder
    description: RunDescription
    record: record.Record

    @property
    def name(self) -> str:
        """The run's name."""
        return self.description.name

    @property
    def health(self) -> str | None:
        """The health tag, such as ``ok`` or ``collapsed@1200``; None until the run ends."""
        return self.record.end.health if self.record.end else None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last evaluation, by name; empty before the first, and without a judge."""
        return dict(self.record.evaluations[-1].values) if self.record.evaluations else {}

    @property
    def best(self) -> dict[str, int | float]:
        """The best values and their steps: ``NAME_best``, ``NAME_best_step``; empty until the run ends."""
        return dict(self.record.end.best) if self.record.end else {}

    @property
    def end_text(self) -> str:
        """How the run ended, as text: ``run NAME is complete``, or its health where it ended early."""
        end = self.record.end
        assert end is not None
        if end.status == "FINISHED":
            return f"run {self.description.name} is complete"
        return f"run {self.description.name} ended at step {end.step:,} ({end.health})"

    def trajectory(self, *names: str | Iterable[str]) -> "pd.DataFrame":
        """Return the scalars of every training step.

        Parameters
        ----------
        *names : str or iterable of str
            The scalars, such as ``"lr_d", "lr_g"`` or ``["lr_d", "lr_g"]``; all recorded ones by default.

        Returns
        -------
        DataFrame
            One row per step, one float64 column per scalar, in the order of the record. The index ``step``
            is int64. A scalar that a step did not record is NaN there.

        Raises
        ------
        RequestError
            If no step recorded a scalar of that name.
        """
        recorded = dict.fromkeys(name for row in self.record.steps for name in row if name != "step")
        wanted = [name for each in names for name in ([each] if isinstance(each, str) else each)]
        for name in wanted:
            if name not in recorded:
                if name in self.evaluations():
                    raise RequestError(
                        f"{name} is a metric of evaluations, not of every step: see evaluations()[{name!r}]"
                    )
                raise unknown(f"scalar of {self.name}", name, recorded)
        return _frame(self.record.steps, wanted if names else tuple(recorded))

    def evaluations(self) -> "pd.DataFrame":
        """Return all evaluations.

        Returns
        -------
        DataFrame
            One row per evaluation, by rising step, and one float64 column per metric. The index ``step`` is
            int64. The last column ``counted`` is bool: False at the end that a run had before it was
            extended, if the longer training has no evaluation at that step. Best values, health and tables
            leave such an evaluation out, as if the run had had its steps from the start. A run without a
            judge has no rows.
        """
        aside = self.record.evaluations_set_aside
        every = sorted([*self.record.evaluations, *aside], key=lambda each: each.step)
        every = [each for each in every if each.values]
        rows = [{"step": each.step, **each.values} for each in every]
        frame = _frame(rows, tuple(dict.fromkeys(name for row in rows for name in row if name != "step")))
        return frame.assign(counted=[each not in aside for each in every])

    @property
    def picture(self) -> Path | None:
        """The newest picture of samples, a PNG file; None if there is none."""
        return max(self.run.samples.glob("step-*.png"), default=None)

    def __repr__(self) -> str:
        distance = self.metrics.get(self.description.metric)
        measured = "" if distance is None else f", {self.description.metric} {distance:.4g}"
        return f"RunResult({self.name}: {self.record.last_step:,} steps, {self.health or 'no end'}{measured})"

    def _repr_html_(self) -> str:
        """Facts, the metrics of the last evaluation and the newest samples, for notebooks."""
        # the package imports torch, which the resume of a finished run does without
        from bench.datasets import label

        recorded, config = self.record, self.description.config
        seconds = f" in {recorded.checkpoints[-1].train_seconds:.0f} s" if recorded.checkpoints else ""
        facts = [
            ("run", self.name),
            ("variant", config.variant),
            ("data", label(config.dataset)),
            ("trained", f"{recorded.last_step:,} steps{seconds}"),
            ("health", self.health or "no end recorded"),
            ("alarms", alarm_tag(recorded.alarms) or "none"),
        ]
        parts = [notebook_html.table(facts)]
        header, rows = self.metrics_table()
        if rows:
            parts.append(notebook_html.table(rows, header))
        if self.picture:
            step = int(self.picture.stem.removeprefix("step-"))
            parts.append(notebook_html.picture_of_file(self.picture, f"samples at step {step:,}"))
        return "".join(parts)

    def metrics_table(
        self, shown: Callable[[str, float | None], object] = lambda name, value: value
    ) -> tuple[list[str], list[tuple[object, ...]]]:
        """Return the metrics of the last evaluation, beside real samples' and those at the best distance.

        Parameters
        ----------
        shown : callable
            Returns the cell of a metric, by its name and value; the value by default.

        Returns
        -------
        header : list of str
            Headings; that of the best distance only if it is of another evaluation.
        rows : list of tuple
            One row per metric; none before the first evaluation, and none without a judge.
        """
        evaluations, described = self.record.evaluations, self.description
        if not evaluations:
            return [], []
        last = evaluations[-1]
        step = self.best.get(f"{described.metric}_best_step")
        best = next((each for each in evaluations if each.step == step), last)
        header = ["", f"step {last.step:,}", "real", "better"]
        if best is not last:
            header.append(f"at best {described.metric}, step {best.step:,}")
        rows: list[tuple[object, ...]] = []
        for name, value in last.values.items():
            declared = described.metrics.get(name)
            row = (name, shown(name, value), described.real.get(name), declared.better if declared else None)
            rows.append(row if best is last else (*row, shown(name, best.values.get(name))))
        return header, rows


def read_run(run: str | RunFolder) -> RunResult:
    """Read what a run recorded, whoever trained it; the run may still be going on.

    Parameters
    ----------
    run : str or RunFolder
        An id or name, a unique beginning, or ``last``; or the run's folder.

    Raises
    ------
    RequestError
        If there is no such run.
    WorkError
        If the run's description or record is damaged.
    """
    folder = run_folder.find(run) if isinstance(run, str) else run
    return RunResult(folder, folder.describe(), record.read(folder.record_path))


def _frame(rows: Sequence[dict[str, float]], names: Sequence[str]) -> "pd.DataFrame":
    """Return rows as a frame of float64 with the index ``step``."""
    import pandas as pd

    index = pd.Index([int(row["step"]) for row in rows], name="step", dtype="int64")
    return pd.DataFrame(rows, columns=list(names), dtype="float64").set_axis(index)
