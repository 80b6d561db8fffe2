"""The summary of a study: best trials, importances of the searched values, steps saved by pruning."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from bench.comparing.caveats import caveat_of
from bench.comparing.rendering import Tables, TextTable, render
from bench.runs.run_names import with_hyphens
from bench.searching.early_ends import reason_of
from bench.searching.importances import ENOUGH, importances_of
from bench.searching.objective import Goal
from bench.searching.plan import StudyPlan
from bench.searching.space import short_text
from bench.searching.trial_outcomes import has_collapsed, health_of, runs_of_trial
from bench.searching.trial_table import steps_of, trial_frame
from bench.searching.trials import REASON, RETRY_OF, count_spent, to_retry
from bench.system.json_values import Json, JsonScalar

SHOWN = 10  # trials in the table

# which of several trials with the same params is taken
_PRECEDENCE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)


@dataclass(frozen=True)
class StudySummary:
    """The summary of a study at any stage.

    Attributes
    ----------
    plan : StudyPlan
        The study.
    trials : DataFrame
        One row per trial, see :func:`bench.searching.trial_table.trial_frame`.
    best : FrozenTrial or None
        The best complete trial; of a Pareto front the best in the first objective.
    ranked : list of FrozenTrial
        The complete trials, the best in the first objective first.
    front : list of FrozenTrial
        The Pareto front of `ranked`; for a single objective the best trial alone.
    default : FrozenTrial or None
        The trial with the default values, if it was tried.
    importances : dict
        Metric to the share of each searched value, the largest first; empty with too few trials.
    steps_taken : int
        Training steps of all trials, each counted once.
    steps_elsewhere : int
        The part of `steps_taken` by trials that failed or have not ended.
    steps_of_all : int
        Steps that the complete and pruned trials would have taken without pruning.
    counts : dict
        State to number of trials.
    replaced : int
        Failed trials that another trial retries.
    unfinished : int
        Failed trials that are to be retried.
    pruned : dict
        Reason to number of pruned trials.
    spent, budget : int
        Trials that count towards the budget, and the budget.
    """

    plan: StudyPlan
    trials: pd.DataFrame
    best: FrozenTrial | None
    ranked: list[FrozenTrial]
    front: list[FrozenTrial]
    default: FrozenTrial | None
    importances: dict[str, dict[str, float]]
    steps_taken: int
    steps_elsewhere: int
    steps_of_all: int
    counts: dict[str, int]
    replaced: int
    unfinished: int
    pruned: dict[str, int]
    spent: int
    budget: int

    def __repr__(self) -> str:
        best = self._describe(self.best) if self.best else "no trial is complete"
        return f"StudySummary({self.plan.name}: {self.spent} of {self.budget} trials; best: {best})"

    def _repr_html_(self) -> str:
        """Return the summary and the table of trials, for notebooks."""
        facts = f'<pre style="white-space: pre-wrap">{escape(self.summary())}</pre>'
        if not self.ranked:
            return facts
        return facts + str(render(Tables((self._table(),), self.trials, self.notes), "html"))

    @property
    def failed(self) -> int:
        """Number of failed trials that are not retried."""
        return self.counts["FAIL"] - self.replaced - self.unfinished

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent and no trial is running."""
        return self.counts["COMPLETE"] + self.counts["PRUNED"] + self.failed >= self.budget

    @property
    def share_saved(self) -> float:
        """Fraction of the steps of complete and pruned trials that pruning saved."""
        return 1 - (self.steps_taken - self.steps_elsewhere) / self.steps_of_all if self.steps_of_all else 0.0

    @property
    def rule(self) -> str:
        """How trials are judged and the best one is selected, as text."""
        seeds = self.plan.file.seeds
        over = f"the mean over seeds {_list(seeds)}" if len(seeds) > 1 else f"the value of seed {seeds[0]}"
        objectives = " and ".join(goal.text for goal in self.plan.goals)
        several = ", of the Pareto front the one best in the first objective" if self.is_several else ""
        return f"{objectives}; a trial counts with {over}; the best complete trial is selected{several}"

    @property
    def warning(self) -> str:
        """Warning that the best value is biased; empty with fewer than two complete trials."""
        complete = self.counts["COMPLETE"]
        if complete < 2:
            return ""
        direction = "low" if self.plan.goals[0].direction == "minimize" else "high"
        bias = "good" if self.is_several else direction
        fresh = _list(self.plan.file.fresh_seeds)
        return (
            f"the best of {complete} trials on the same seeds is partly the luckiest: its value is biased "
            f"(too {bias}) unless it is trained again on fresh seeds" + (f" ({fresh})" if fresh else "")
        )

    @property
    def is_several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.plan.goals) > 1

    def text(self) -> str:
        """Return the summary and table in Markdown."""
        if not self.ranked:
            return self.summary()
        table = render(Tables((self._table(),), self.trials, self.notes), "md")
        return f"{self.summary()}\n\n{str(table).rstrip()}"

    @property
    def notes(self) -> tuple[str, ...]:
        """The variant's caveat about the best trial's values, for the foot of the table."""
        caveat = caveat_of(self.plan.configuration(self.best.params, 0) if self.best else self.plan.base)
        return (caveat,) if caveat else ()

    def summary(self) -> str:
        """Return the summary without the table, one line per fact."""
        lines = [
            f"study {self.plan.name}",
            f"{self._best_label()}: {self._describe(self.best)}" + self._difference()
            if self.best
            else "best: no trial is complete",
            *(self._runs_of_best(self.best) if self.best else []),
            *([f"default: {self._describe(self.default)}"] if self.default else []),
            self._steps(),
            self._counts(),
            *(self._importances(metric) for metric in self.importances),
            f"rule: {self.rule}",
            *([self.warning] if self.warning else []),
        ]
        return "\n".join(f"- {line}" for line in lines)

    def data(self) -> dict[str, Json]:
        """Return the summary as JSON values."""
        return {
            "study": self.plan.name,
            "objectives": [goal.text for goal in self.plan.goals],
            "seeds": list(self.plan.file.seeds),
            "rule": self.rule,
            "warning": self.warning,
            "notes": list(self.notes),
            "budget": self.budget,
            "spent": self.spent,
            "counts": self.counts,
            "replaced": self.replaced,
            "unfinished": self.unfinished,
            "pruned": self.pruned,
            "best": self._plain(self.best),
            "front": [self._plain(trial) for trial in self.front],
            "default": self._plain(self.default),
            "importances": self.importances,
            "steps_taken": self.steps_taken,
            "steps_elsewhere": self.steps_elsewhere,
            "steps_of_all": self.steps_of_all,
            "share_saved": self.share_saved,
            "trials": [
                {str(name): _plain_value(value) for name, value in row.items()}
                for row in self.trials.astype(object).to_dict("records")
            ],
        }

    def _table(self) -> TextTable:
        names = [dimension.name for dimension in self.plan.space.dimensions]
        header = ("trial", *(goal.metric for goal in self.plan.goals), *names, "steps", "health", "run")
        ranked = self.front if self.is_several else self.ranked
        shown = ranked[:SHOWN]
        default = self.default
        if default and default.state == TrialState.COMPLETE and default.number not in _numbers(shown):
            shown.append(default)
        rows = [
            (
                f"{trial.number}" + " (default)" * (trial is default),
                *map(short_text, trial.values),
                *(short_text(trial.params.get(name)) for name in names),
                f"{steps_of(trial):,}",
                health_of(trial) or "-",
                ", ".join(run.name for run in runs_of_trial(trial, self.plan)) or "-",
            )
            for trial in shown
        ]
        kind = "Trials of the Pareto front" if self.is_several else "Complete trials"
        first = f", the best {SHOWN} of {len(ranked)}" if len(ranked) > SHOWN else ""
        order = f"by {self.plan.goals[0].metric}; trials.csv has every trial"
        return TextTable(f"{kind}{first}, {order}", header, tuple(rows))

    def _best_label(self) -> str:
        if not self.is_several:
            return "best"
        count = len(self.front)
        front = f"{count} trials stand" if count > 1 else "1 trial stands"
        return f"{front} on the Pareto front; the best in {self.plan.goals[0].metric}"

    def _describe(self, trial: FrozenTrial) -> str:
        metrics = [goal.metric for goal in self.plan.goals]
        if trial.state == TrialState.COMPLETE:
            values = ", ".join(f"{m} {short_text(v)}" for m, v in zip(metrics, trial.values, strict=True))
        else:
            reason = reason_of(trial, self.plan.file.pruner)
            values = f"{trial.state.name.lower()}, {reason}" if reason else trial.state.name.lower()
        params = ", ".join(f"{name} {short_text(value)}" for name, value in trial.params.items())
        return f"trial {trial.number}: {values} ({params})"

    def _runs_of_best(self, best: FrozenTrial) -> list[str]:
        """Return the best trial's health and runs as lines, and the command that exports its generator."""
        lines = []
        if has_collapsed(best):
            lines.append(f"the best trial has collapsed: its health is {health_of(best)}")
        if runs := runs_of_trial(best, self.plan):
            lines.append(f"run of the best trial: {_list([run.name for run in runs])}")
            # an export takes the run's best evaluation by default
            at = " --checkpoint last" if self.plan.goals[0].select == "last" else ""
            lines.append(f"export: bench export {with_hyphens(runs[0].name)}{at}")
        return lines

    def _difference(self) -> str:
        best, default = self.best, self.default
        if not best or not default or default.state != TrialState.COMPLETE:
            return ""
        if best.number == default.number:
            return "; it is the default"
        differences = [new - old for new, old in zip(best.values, default.values, strict=True)]
        return f"; {', '.join(f'{difference:+.4g}' for difference in differences)} against the default"

    def _steps(self) -> str:
        counted = self.steps_taken - self.steps_elsewhere
        line = (
            f"steps: {counted:,} taken of {self.steps_of_all:,} without pruning, {self.share_saved:.0%} saved"
        )
        others = f"; {self.steps_elsewhere:,} more by trials that failed or are not over"
        return line + (others if self.steps_elsewhere else "")

    def _counts(self) -> str:
        counts = {
            f"{kind} (collapse_after {self.plan.file.pruner.collapse_after:g})"
            if kind == "collapsed"
            else kind: count
            for kind, count in self.pruned.items()
        }
        reasons = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        parts = [
            f"{self.counts['COMPLETE']} complete",
            f"{self.counts['PRUNED']} pruned" + (f" ({reasons})" if reasons else ""),
            *([f"{self.failed} failed"] if self.failed else []),
            *([f"{self.counts['RUNNING']} running"] if self.counts["RUNNING"] else []),
            *([f"{self.unfinished} to be retried"] if self.unfinished else []),
            *([f"{self.replaced} cut off and retried under a new number"] if self.replaced else []),
        ]
        return f"trials: {self.spent} of a budget of {self.budget}: {', '.join(parts)}"

    def _importances(self, metric: str) -> str:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importances[metric].items())
        complete = self.counts["COMPLETE"]
        rough = f"; rough with fewer than {ENOUGH}" * (complete < ENOUGH)
        return (
            f"what decides whether a trial is in the best tenth by {metric} (PED-ANOVA over {complete} "
            f"complete trials{rough}): {shares}"
        )

    def _plain(self, trial: FrozenTrial | None) -> dict[str, Json] | None:
        if trial is None:
            return None
        complete = trial.state == TrialState.COMPLETE
        values = map(_plain_value, trial.values) if complete else [None] * len(self.plan.goals)
        return {
            "number": trial.number,
            "state": trial.state.name,
            "values": dict(zip((goal.metric for goal in self.plan.goals), values, strict=True)),
            "params": dict(trial.params),
            "steps": steps_of(trial),
            "health": health_of(trial) or None,
            "runs": [asdict(run) for run in runs_of_trial(trial, self.plan)],
        }


def summarize(study: optuna.Study, plan: StudyPlan) -> StudySummary:
    """Return the summary of a study at any stage."""
    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(RETRY_OF) for trial in trials} & {trial.number for trial in trials}
    # the retry of a trial counts the trial's steps as its own
    counted = [trial for trial in trials if trial.number not in replaced]
    over = [trial for trial in counted if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    steps = sum(map(steps_of, counted))
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ranked = sorted(complete, key=lambda trial: _order(trial, plan.goals))
    front = _front(study, ranked)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    reasons = Counter(str(trial.user_attrs.get(REASON, "")).partition("@")[0] for trial in pruned)
    return StudySummary(
        plan=plan,
        trials=trial_frame(trials, plan),
        best=front[0] if front else None,
        ranked=ranked,
        front=front,
        default=default_of(trials, plan),
        importances=importances_of(study, plan),
        steps_taken=steps,
        steps_elsewhere=steps - sum(map(steps_of, over)),
        steps_of_all=len(over) * plan.steps_of_a_trial,
        counts={state.name: sum(trial.state == state for trial in trials) for state in TrialState},
        replaced=len(replaced),
        unfinished=len(to_retry(trials)),
        pruned={reason: count for reason, count in reasons.most_common() if reason},
        spent=count_spent(trials),
        budget=plan.file.trials,
    )


def default_of(trials: Sequence[FrozenTrial], plan: StudyPlan) -> FrozenTrial | None:
    """Return the trial with the default values; of several the one that got furthest."""
    params = plan.space.params(plan.base)
    tried = [
        trial for trial in trials if trial.params and trial.params == params and trial.state in _PRECEDENCE
    ]
    return min(tried, key=lambda trial: (_PRECEDENCE.index(trial.state), -trial.number), default=None)


def _front(study: optuna.Study, ranked: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    if not ranked:
        return []
    best = study.best_trials if len(study.directions) > 1 else [study.best_trial]
    numbers = {trial.number for trial in best}
    return [trial for trial in ranked if trial.number in numbers]


def _order(trial: FrozenTrial, goals: Sequence[Goal]) -> tuple[float, ...]:
    return tuple(
        value if goal.direction == "minimize" else -value
        for goal, value in zip(goals, trial.values, strict=True)
    )


def _numbers(trials: Sequence[FrozenTrial]) -> set[int]:
    return {trial.number for trial in trials}


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _plain_value(value: object) -> JsonScalar:
    """Return a value as JSON has it: None for a missing value or a number that is not finite."""
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if isinstance(value, str | int | float) and is_finite else None
