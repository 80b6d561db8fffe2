"""Studies logged to MLflow again from their folders."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna

from bench.execution.resending import Sender, Sent
from bench.searching import study_loop
from bench.searching.journal_storage import JOURNAL, JournalStorage
from bench.searching.plan import StudyDescription, StudyPlan
from bench.searching.study import summary_of
from bench.searching.study_files import files_of
from bench.searching.summary import summarize
from bench.system import paths
from bench.tracking.store_choice import current_store


def send_studies(sender: Sender) -> Iterable[Sent]:
    """Send the parent run of every study in a journal, and its trials; a study in a database shows itself."""
    for path in sorted(paths.studies().glob(f"*/{study_loop.DESCRIPTION}")):
        yield _send_study(sender, path.parent, json.loads(path.read_text(encoding="utf-8")))


def _send_study(sender: Sender, folder: Path, content: dict[str, Any]) -> Sent:
    command, plan = content.pop("command"), StudyPlan.from_json(content.pop("plan"))
    description = StudyDescription(**content)
    name = description.name
    if not (folder / JOURNAL).exists():
        advice = "it is kept in a database: `bench study` given again shows it"
        return Sent("study", name, name, current_store().shown, passed_over=advice)
    storage = JournalStorage(folder)
    if not storage.acquire_leadership():
        held = "it is being carried out, and shows itself"
        return Sent("study", name, name, current_store().shown, passed_over=held)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=name, storage=storage.optuna)
    summary = summary_of(summarize(study, plan), files_of(folder))

    def show(parent: str) -> str | None:
        trials = study.get_trials(deepcopy=False)
        return study_loop.show_study(plan, trials, sender.tracker, parent, current_store())

    return sender.parent("study", name, name, folder, description.parent_run(command), summary, show)
