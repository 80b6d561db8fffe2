"""Samplers judged by the collapse verdict: cases, and the runs and samples that they are made from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.configuration import Configuration
from bench.execution.setup import TrainingSetup
from bench.health import verdict
from bench.health.signs import signs_of_collapse
from bench.judging.judge import Sampler, as_stored
from bench.judging.reference import pairing_order
from bench.runs import record
from bench.runs.generator import configuration_of
from bench.runs.run_folder import RunFolder
from bench.system import paths


@dataclass(frozen=True)
class Case:
    """One judged sampler.

    Attributes
    ----------
    data, source : str
        Data set; name of the run, or ``real`` and a seed.
    kind : str
        How the sampler was made, such as ``trained`` or ``samples repeated``.
    degree : float
        Degree of the change, in a unit that depends on `kind`.
    truth : bool or None
        Whether the sampler has collapsed; None between the clear cases.
    signs : list of str
        Signs of collapse that the verdict found.
    """

    data: str
    source: str
    kind: str
    degree: float
    truth: bool | None
    signs: list[str]


def judge_case(
    setup: TrainingSetup, sampler: Sampler, source: str, kind: str, degree: float, truth: bool | None
) -> Case:
    """Evaluate a sampler and return its case."""
    signs = signs_of_collapse(setup.judge.measure(sampler), setup.real, verdict.RULES)
    return Case(setup.array.name, source, kind, degree, truth, signs)


def finished_runs(data_root: str | None) -> Iterator[tuple[RunFolder, Configuration]]:
    """Yield finished runs with their configurations, in which `data_root` replaces another data folder."""
    folder = paths.runs()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        run = RunFolder(path)
        end, configuration = record.read(run.record_path).end, configuration_of(run.describe())
        if end is None or end.status != "FINISHED":
            continue
        moved = data_root and configuration.harness.data_root
        yield run, configuration.with_values(data_root=data_root) if moved else configuration


def unused_samples(setup: TrainingSetup) -> Tensor:
    """Return real samples that neither the reference nor the real values use, as a generator's output."""
    samples = setup.array.samples
    unused = pairing_order(len(samples))[len(samples) // 2 + setup.judge.paired :]
    stored = torch.from_numpy(samples[unused])
    return stored if stored.dtype == torch.float32 else stored.float() / 127.5 - 1


def modes_or_classes(setup: TrainingSetup, pool: Tensor) -> np.ndarray:
    """Return the mode of each sample, or its predicted class without known modes, int64 of shape (N,)."""
    kinds = []
    for part in pool.split(1000):
        extracted = setup.judge.extractor(as_stored(part))
        if extracted.modes is not None:
            kinds.append(extracted.modes)
        else:
            assert extracted.probabilities is not None
            kinds.append(extracted.probabilities.argmax(dim=1))
    return torch.cat(kinds).numpy()
