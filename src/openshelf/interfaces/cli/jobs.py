"""``openshelf jobs``: what runs in the background."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, print_table
from openshelf.services import jobs
from openshelf.storage.jobs import Job, JobState


@click.group(invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Also those that are done or cancelled.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many to show.")
@json_option
@data_option
@click.pass_context
def command(context: click.Context, everything: bool, limit: int, as_json: bool, data: Path | None) -> None:
    """Show what waits, what runs and what failed in the background, newest first."""
    context.obj = data
    if context.invoked_subcommand:
        return
    states = () if everything else (JobState.WAITING, JobState.RUNNING, JobState.FAILED)
    with opened_hub(data) as hub:
        waiting = jobs.count_outbox(hub)
        found = hub.storage.jobs.list(states, limit=limit)
    if as_json:
        print_json({"outbox": waiting, "jobs": [_plain(job) for job in found]})
        return
    if waiting:
        click.echo(f"{waiting} more wait to be taken up by a worker.")
    if not found:
        click.echo("Nothing waits, runs or has failed." if not everything else "There are no jobs.")
        return
    rows = [(job.id, job.state.value, f"{job.created_at:%Y-%m-%d %H:%M:%S}", job.error) for job in found]
    print_table(("ID", "STATE", "ASKED FOR (UTC)", "ERROR"), rows)


@command.command()
@click.argument("job_id", metavar="ID")
@data_option
@click.pass_obj
def retry(above: Path | None, job_id: str, data: Path | None) -> None:
    """Try a failed or cancelled job again."""
    with opened_hub(data or above) as hub:
        job = jobs.retry(hub, job_id)
        click.echo(f"Asked for {job.name} {job.key} again.", err=True)


@command.command()
@click.argument("job_id", metavar="ID")
@data_option
@click.pass_obj
def cancel(above: Path | None, job_id: str, data: Path | None) -> None:
    """Take back a job that waits; one that runs is not tried again."""
    with opened_hub(data or above) as hub:
        jobs.cancel(hub, job_id)
        click.echo(f"Cancelled {job_id}.", err=True)


def _plain(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "name": job.name,
        "key": job.key,
        "payload": dict(job.payload),
        "state": job.state.value,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "executor": job.executor,
        "error": job.error,
    }
