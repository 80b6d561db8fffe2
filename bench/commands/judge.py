"""``bench judge``: measure any samples against real ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bench.commands import names
from bench.commands.options import OutFile, Real, device
from bench.commands.output import WIDTH, Report, progress, reporting, table
from bench.comparing.defaults import FORMATS

if TYPE_CHECKING:
    from bench.comparing.rendering import Tables
    from bench.execution.sample_judging import SampleJudgement

FEWEST, MOST = 12, 100_000_000


@click.command("judge")
@click.argument("samples", type=click.Path())
@click.option(
    "--against",
    metavar="NAME",
    required=True,
    type=names.Dataset,
    help="Data set of the real samples, or folder:PATH.",
)
@click.option(
    "--metrics",
    metavar="NAME[,NAME...]",
    help="Metrics, separated by commas, also those measured on request only, such as c_t, ndb and rke "
    "[default: those of every evaluation, and the distances to held-out samples].",
)
@click.option(
    "--samples",
    "count",
    metavar="N",
    type=click.IntRange(FEWEST, MOST),
    help="Number of samples to judge [default: all].",
)
@click.option(
    "--extractor",
    metavar="NAME",
    default="inception",
    show_default=True,
    help="Network behind the Frechet distance: inception (fid), shipped (far faster on a CPU), or another "
    "package's.",
)
@click.option(
    "--range",
    "value_range",
    type=click.Choice(("0,1", "-1,1")),
    help="Black and white in images of floating-point numbers [default: none, such images are refused].",
)
@click.option(
    "--layout",
    type=click.Choice(("NHWC", "NCHW")),
    help="Order of the axes of an array of images [default: that of its 1 or 3 channels].",
)
@click.option(
    "--in-order",
    is_flag=True,
    help="Take samples in their own order, as independent draws; else in a fixed random one.",
)
@click.option(
    "--image-size",
    metavar="N",
    type=click.IntRange(1, 4096),
    help="Resize the centre squares of all images to N x N [default: the images' own size].",
)
@click.option(
    "--channels",
    type=click.Choice(("1", "3")),
    help="Convert all images to grey or RGB [default: the samples' own].",
)
@click.option(
    "--crop",
    metavar="centre:N|box:x,y,w,h",
    help="Square to cut out of the real images, as the knob crop [default: the data set's own crop].",
)
@click.option(
    "--held-out",
    metavar="SHARE",
    type=Real(0, 0.5),
    default=0.0,
    show_default=True,
    help="Share of the real samples to hold out, as the knob held_out; with 0 the published test split is "
    "held out, where its files are there.",
)
@click.option(
    "--data-root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the published data sets [default: the cache].",
)
@device
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(0, 4096),
    default=0,
    show_default=True,
    help="CPU threads; 0 leaves them to torch.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", *FORMATS)),
    default="text",
    show_default=True,
    help="csv, json and parquet have unrounded numbers.",
)
@click.option("--out", type=OutFile(), help="Output file [default: standard output].")
@reporting
def command(
    samples: str,
    against: str,
    metrics: str | None,
    count: int | None,
    extractor: str,
    value_range: Literal["0,1", "-1,1"] | None,
    layout: Literal["NHWC", "NCHW"] | None,
    in_order: bool,
    image_size: int | None,
    channels: str | None,
    crop: str | None,
    held_out: float,
    data_root: Path | None,
    device: str | None,
    threads: int,
    form: str,
    out: Path | None,
) -> Report:
    """Measure samples in a folder or a file against real ones.

    SAMPLES is a folder of images or a zip file of one, whose subfolders may be classes; an .npz file with an
    array `samples`, `images` or `arr_0`, or a single one, and perhaps `labels`; or an .npy file. Arrays are
    uint8 images (N, H, W, C), (N, C, H, W) or (N, H, W), or points (N, 2). `bench sample RUN --out FILE.npz`
    writes such a file. The real samples are decoded at the size and with the channels of the samples. The
    table has the scores of other real samples beside, and a verdict on collapse. Where there are samples
    outside the data set, such as a published test split, the distance to these is measured too, and its gap,
    which copies of training samples raise.
    """
    from bench.datasets.samples.form import Form
    from bench.execution.sample_judging import SampleRequest, judge_file
    from bench.system.atomic_files import write_bytes
    from bench.system.errors import RequestError, shown
    from bench.training.device import require_gpu

    require_gpu(device or "auto")
    if form == "parquet" and out is None:
        raise RequestError("--format parquet is binary: it needs --out FILE")
    if out is not None and not out.parent.is_dir():
        raise RequestError(f"--out {shown(str(out))}: there is no folder {shown(str(out.parent))}")
    request = SampleRequest(
        against=against,
        metrics=tuple(dict.fromkeys(name.strip() for name in (metrics or "").split(",") if name.strip())),
        count=count,
        in_order=in_order,
        extractor=extractor,
        form=Form(value_range, layout, image_size, None if channels is None else 1 if channels == "1" else 3),
        held_out=held_out,
        crop=crop,
        data_root=None if data_root is None else str(data_root),
        device=device or "auto",
        threads=threads,
    )
    result = judge_file(samples, request, progress())
    data = _data(result) | {"out": None if out is None else str(out)}
    rendered = _text(result) + "\n" if form == "text" else _rendered(result, form)
    if out is None:
        return Report(data, str(rendered).rstrip("\n"))
    write_bytes(out, rendered if isinstance(rendered, bytes) else rendered.encode())
    return Report(data, f"wrote {out}")


def _data(result: "SampleJudgement") -> dict[str, object]:
    return {
        "samples": result.samples,
        "count": result.count,
        "shape": list(result.shape),
        "against": result.against,
        "real_count": result.real_count,
        **result.data(),
        "notes": list(result.notes),
    }


def _text(result: "SampleJudgement") -> str:
    header, rows = result.table("samples")
    return f"{table(result.facts, width=WIDTH)}\n\n{table(rows, header)}"


def _rendered(result: "SampleJudgement", form: str) -> str | bytes:
    from bench.comparing.rendering import render

    return render(_tables(result), form)


def _tables(result: "SampleJudgement") -> "Tables":
    import pandas as pd

    from bench.comparing.rendering import Tables, TextTable

    header, rows = result.table("samples")
    cells = tuple(
        tuple(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows
    )
    frame = pd.DataFrame(
        [
            (name, value, result.real[name], result.better[name], result.protocols[name])
            for name, value in result.values.items()
        ],
        columns=["metric", "value", "real", "better", "protocol"],
    )
    text = TextTable(f"{result.samples} against {result.against}", header, cells)
    return Tables((text,), frame, tuple(f"{name}: {words}" for name, words in result.facts))
