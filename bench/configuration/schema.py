"""The settings of the harness, each once: type, default, range and unit."""

import os
from typing import Literal

from pydantic import field_validator

from bench.datasets.crops import parse_crop
from bench.datasets.held_out import LARGEST_SHARE
from variants.knobs import LARGEST, Knobs, knob

# Settings that say where and how a run is executed, not what it computes: outside its identity.
EXECUTION_SETTINGS = frozenset(
    {
        "device", "threads", "channels_last", "fused_adam", "compile", "activation_checkpointing",
        "data_root", "figures", "tracking", "experiment",
    }
)  # fmt: skip


LONGEST_NAME = 256  # MLflow's limit for names of experiments
LONGEST_PATH = 4096  # Linux's limit
MOST_STEPS = 99_999_999  # file names have eight digits for a step
LARGEST_SEED = 2**63 - 1  # result tables have integers of 64 bits


class Harness(Knobs):
    """Knobs of the harness, the same for every variant."""

    dataset: str = knob("mnist-5k", "name of the data set, or folder:PATH", longest=LONGEST_PATH)
    image_size: int | None = knob(
        28, "side of the square images; none for 2-D points", unit="pixels", low=1, high=4096
    )
    channels: Literal[1, 3] | None = knob(None, "1 grey or 3 colour; the data set's own where not given")
    crop: str | None = knob(
        None,
        "square that is cut out of every image: centre:N, or box:x,y,w,h from the left and the top (w = h); "
        "none: the data set's own crop, of folders the centre square",
        unit="pixels",
        longest=LONGEST_NAME,
        neutral=(None,),
    )
    flip: bool = knob(
        False,
        "mirror half of the images of every batch, chosen by the seed; none of the judge's reference",
        neutral=(False,),
    )
    held_out: float = knob(
        0.0,
        "share of the samples that is held out of training and of the judge's reference, chosen by content; "
        "0: none, and published test splits serve as held-out samples",
        low=0,
        high=LARGEST_SHARE,
        neutral=(0.0,),
    )
    batch_size: int = knob(64, "real samples in a batch", unit="samples", low=2, high=1_000_000)
    drop_last: bool = knob(True, "leave out the short last batch of an epoch")
    steps: int | None = knob(
        None, "length of training, in generator updates", unit="steps", low=1, high=MOST_STEPS
    )
    epochs: float | None = knob(
        None, "length of training in passes over the data, instead of steps", above=0, high=1_000_000
    )
    seed: int = knob(0, "seed of weights, data order, latents and evaluation", low=0, high=LARGEST_SEED)
    lr_rule: Literal["none", "halve_every", "halve_on_stall"] = knob(
        "none",
        "learning rates stay, halve every lr_window steps, or halve when the scalar that steers them stalls",
    )
    lr_window: int = knob(100_000, "window of lr_rule", unit="steps", low=1, high=MOST_STEPS)
    lr_floor: float = knob(
        2e-5, "lr_rule takes no learning rate below this (unless it starts there)", low=0, high=LARGEST
    )
    ema_decay: float = knob(
        0.0,
        "decay of the generator's moving average that is judged; 0 judges the generator itself",
        low=0,
        high=0.99999,
    )
    eval_every: int = knob(
        1000, "steps between evaluations; 0 evaluates at the end only", unit="steps", low=0, high=MOST_STEPS
    )
    eval_samples: int = knob(
        5000, "generated samples in an evaluation", unit="samples", low=100, high=100_000_000
    )
    extractor: str | None = knob(
        "inception",
        "network behind the Frechet distance: Inception (fid) where its weights are here or can be fetched, "
        "else a shipped one; shipped takes that one first (far faster on a CPU); efficientnet-lite0, dinov2, "
        "dinov2-small and clip come by extras; or the extractor of another package. none: the run is not "
        "judged; `bench eval RUN --extractor NAME` measures it later",
        longest=LONGEST_NAME,
    )
    micro_batches: int | None = knob(
        None,
        "micro-batches per step, computed in turn (gradient accumulation) or spread over the processes that "
        "torchrun starts; none: one per process. Batch norm sees one micro-batch at a time",
        unit="micro-batches",
        low=1,
        high=1_000_000,
        neutral=(None, 1),
    )
    compute_dtype: Literal["float32", "bfloat16"] = knob(
        "float32",
        "of convolutions and matrix products in training; losses, scalars and judging are float32 always",
        neutral=("float32",),
    )
    tf32: bool = knob(
        False,
        "on a GPU: float32 products and convolutions of training may be rounded to TF32's 10 bits",
        neutral=(False,),
    )
    channels_last: bool = knob(
        True, "images lie in memory pixel by pixel; faster for all but the smallest networks"
    )
    fused_adam: bool = knob(True, "Adam in one kernel")
    compile: Literal["none", "default", "reduce-overhead"] = knob(
        "none",
        "torch.compile of the networks; reduce-overhead takes CUDA graphs. Costs up to a minute at the "
        "start; not together with activation_checkpointing",
    )
    activation_checkpointing: bool = knob(
        False, "compute activations again for the gradient instead of keeping them: less memory, more time"
    )
    checkpoint_every: int = knob(1000, "steps between checkpoints", unit="steps", low=1, high=MOST_STEPS)
    stop_on: Literal["none", "collapse"] = knob(
        "none",
        "collapse: an evaluation that shows a collapse ends the run, as failed; none: it goes on",
        neutral=("none",),
    )
    stop_after: float = knob(
        0.5,
        "share of the steps before which stop_on ends no run: many generators begin collapsed",
        low=0,
        high=1,
        neutral=(0.5,),
    )
    device: Literal["auto", "cpu", "cuda"] = knob(
        "auto", "where to compute; auto takes a GPU where there is one"
    )
    threads: int = knob(
        0,
        "CPU threads, at most four for each of the machine's cores, or 64; 0 leaves it to torch",
        low=0,
        high=4096,
    )
    data_root: str | None = knob(
        None, "folder of the data sets' files; the cache folder where not given", longest=LONGEST_PATH
    )
    figures: bool = knob(True, "draw the run's figures when it ends; `bench plot` draws them at any time")
    tracking: bool = knob(
        True, "record the run in MLflow too; without it neither MLflow nor Optuna is imported"
    )
    experiment: str = knob("began-bench", "name of the MLflow experiment", longest=LONGEST_NAME)

    @field_validator("dataset", "extractor", "data_root", "experiment")
    @classmethod
    def _check_text(cls, value: str | None) -> str | None:
        if value is not None and not is_name(value):
            raise ValueError("empty or not printable")
        return value

    @field_validator("crop")
    @classmethod
    def _check_crop(cls, value: str | None) -> str | None:
        parse_crop(value)
        return value

    @field_validator("data_root")
    @classmethod
    def _make_absolute(cls, value: str | None) -> str | None:
        # a relative path means another folder to a command that is given elsewhere
        return None if value is None else os.path.abspath(os.path.expanduser(value))


def is_name(text: str) -> bool:
    """Whether a text may name a folder, a data set or an experiment: not empty, on one line, printable."""
    return bool(text.strip()) and text.isprintable()
