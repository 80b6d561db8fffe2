"""``bench ui``: MLflow's web pages of the tracking store."""

import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bench.system.errors import WorkError

if TYPE_CHECKING:
    from bench.execution.experiment_pages import ExperimentPage
    from bench.system.store_address import StoreAddress

POLL_SECONDS = 0.1
MOST_EXPERIMENTS = 5


@click.command("ui")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on 127.0.0.1."
)
def command(port: int) -> None:
    """Serve MLflow's pages of the tracking store.

    The address is on 127.0.0.1; Ctrl-C ends the server. A link to each experiment with runs opens its page
    with the compared scalars, the distance and the health of the runs as columns.
    """
    from bench.execution.experiment_pages import experiment_pages
    from bench.system import paths
    from bench.system.interruption import stop_on_signal
    from bench.tracking.pages_server import PagesServer, require_free
    from bench.tracking.store_choice import current_store

    address = current_store()
    if address.is_server:
        click.echo(f"the store has a server of its own: open {address.shown}")
        print_links(address.shown, shared_views(address, experiment_pages()))
        return
    require_free(port)
    shared = shared_views(address, experiment_pages())
    # a terminal that is closed ends the server as Ctrl-C does
    signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    with stop_on_signal() as stop_requested:
        server = PagesServer(address, paths.results() / "artifacts", port)
        try:
            click.echo(f"starting MLflow's pages of {address.shown} on {server.url}", err=True)
            is_ready = False
            while not stop_requested():
                if failure := server.failure():
                    raise WorkError(f"MLflow's server ended: {failure}")
                if not is_ready and (is_ready := server.is_ready()):
                    click.echo(f"MLflow's pages are at {server.url}; Ctrl-C ends them")
                    print_links(server.url, shared)
                time.sleep(POLL_SECONDS)
        finally:
            server.stop()


def shared_views(
    address: "StoreAddress", pages: "Sequence[ExperimentPage]"
) -> "list[tuple[ExperimentPage, str]]":
    """Set the view of each experiment; return the pages whose experiments the store has, with their ids."""
    from bench.execution.experiment_pages import TAGS
    from bench.tracking.process import TrackingProcess

    # MLflow's server would try for minutes to open what cannot be opened
    tracker = TrackingProcess()
    try:
        tracker.open(address)
        found = [(page, tracker.share_view(page.experiment, page.metrics, TAGS, address)) for page in pages]
    finally:
        tracker.close()
    return [(page, experiment_id) for page, experiment_id in found if experiment_id]


def print_links(server: str, shared: "Sequence[tuple[ExperimentPage, str]]") -> None:
    """Print the addresses of experiments' pages, given with their ids in the store."""
    from bench.tracking.views import chart_link, link

    for page, experiment_id in shared[:MOST_EXPERIMENTS]:
        runs = f"{page.runs} runs" if page.runs > 1 else "1 run"
        click.echo(f"\n{page.experiment} ({runs}), columns {', '.join(page.metrics)}")
        click.echo(f"  table   {link(server, experiment_id)}")
        click.echo(f"  charts  {chart_link(server, experiment_id)}")
    if len(shared) > MOST_EXPERIMENTS:
        click.echo(f"\nand {len(shared) - MOST_EXPERIMENTS} older experiments, listed on the first page")
