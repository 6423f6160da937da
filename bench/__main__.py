"""``make bench``: measures the main job beside nginx, prints a table, and writes it into the docs with --publish."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import main_job as job
from bench.main_job import Figure
from bench.peers import nginx, openshelf

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
REPO = "bench/model"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512, help="size of the file that is moved")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement; the median is shown")
    parser.add_argument("--seconds", type=int, default=5, help="length of each request-rate measurement")
    parser.add_argument("--publish", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    missing = [tool for tool in ("nginx", "ab", "curl") if shutil.which(tool) is None]
    if missing:
        print(f"missing: {', '.join(missing)}; apt-get install nginx-light apache2-utils curl", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="openshelf-bench-") as folder:
        text = measure(Path(folder), options.megabytes, options.rounds, options.seconds)
    print(text)
    if options.publish:
        PAGE.write_text(text, encoding="utf-8")
    return 0


def measure(folder: Path, megabytes: int, rounds: int, seconds: int) -> str:
    """Run everything in turns, so that all figures come from the same minutes of the machine."""
    folder.chmod(0o755)
    file, gigabytes = folder / "model.safetensors", megabytes / 1000
    renew(file, megabytes)
    sha = job.sha256_cpu(megabytes)
    rows: dict[str, Figure] = {}
    (folder / "nginx").mkdir()
    with nginx(folder / "nginx") as peer, openshelf(folder) as hub:
        server = hub.server
        idle = server.pss_mib()
        job.post(hub, "/api/repos/create", {"name": "model", "type": "model"})
        job.post(hub, "/api/repos/create", {"name": "whole", "type": "model"})
        rows["nginx: PUT"] = job.best_of(
            rounds, lambda: job.put(peer, f"{peer.url}/model.safetensors", file, gigabytes)
        )

        def upload_lfs() -> Figure:
            job.make_new(file)
            return job.put(server, job.upload_lfs_address(hub, "bench/whole", file), file, gigabytes)

        rows["Openshelf: upload by LFS"] = job.best_of(rounds, upload_lfs)
        job.commit_lfs(hub, "bench/whole", file, "model.safetensors")
        whole = f"{server.url}/bench/whole/resolve/main/model.safetensors"
        rows["nginx: GET"] = job.best_of(rounds, lambda: job.download(peer, f"{peer.url}/model.safetensors", gigabytes))
        rows["Openshelf: GET, kept whole"] = job.best_of(rounds, lambda: job.download(server, whole, gigabytes))
        for number in range(rounds):
            renew(file, megabytes)
            rows[f"Openshelf: upload by Xet, round {number + 1}"] = job.upload_xet(
                hub, REPO, file, gigabytes, folder / f"home-{number}"
            )
        chunked = f"{server.url}/{REPO}/resolve/main/model.safetensors"
        rows["Openshelf: GET, kept as chunks"] = job.best_of(rounds, lambda: job.download(server, chunked, gigabytes))
        rates = {
            "nginx: HEAD of a file": job.requests_per_second(peer, f"{peer.url}/model.safetensors", "HEAD", seconds),
            "Openshelf: HEAD resolve": job.requests_per_second(server, whole, "HEAD", seconds),
            "Openshelf: GET model info": job.requests_per_second(
                server, f"{server.url}/api/models/{REPO}", "GET", seconds
            ),
        }
        peak = server.pss_mib()
        return _page(megabytes, rounds, sha, rows, rates, (server.ready_seconds, idle, peak))


def renew(file: Path, megabytes: int) -> None:
    """Fill the file with new random bytes, which nobody has stored and nothing compresses."""
    with file.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(1_000_000))


def _page(
    megabytes: int,
    rounds: int,
    sha: float,
    rows: dict[str, Figure],
    rates: dict[str, Figure],
    process: tuple[float, float, float],
) -> str:
    ready, idle, peak = process
    lines = [
        "<!-- Written by `python -m bench --publish`. -->\n",
        "# Measurements\n",
        f"`make bench` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, one server process, {megabytes} MB of random bytes, median of {rounds} "
        "rounds in one run. The machine is shared, so CPU-seconds and ratios count, not wall times. nginx hashes and "
        "verifies nothing; Openshelf verifies the sha256 of every upload and every chunk it reads.\n",
        f"sha256 on this machine in the same minutes: {sha:.2f} CPU-seconds per GB.\n",
        "| job | GB/s | server CPU-s per GB | times nginx | times sha256 |",
        "|---|---|---|---|---|",
    ]
    base = {"PUT": rows["nginx: PUT"], "GET": rows["nginx: GET"]}
    for name, figure in rows.items():
        cpu = figure.cpu / figure.amount
        peer = base["GET" if "GET" in name else "PUT"]
        ratio = cpu / max(peer.cpu / peer.amount, 1e-9)
        lines.append(f"| {name} | {figure.amount / figure.seconds:.2f} | {cpu:.2f} | {ratio:.1f} | {cpu / sha:.2f} |")
    lines += ["", "| request | per second | server CPU microseconds each |", "|---|---|---|"]
    for name, figure in rates.items():
        each = figure.cpu / figure.amount * 1e6
        lines.append(f"| {name} | {figure.amount / figure.seconds:.0f} | {each:.0f} |")
    lines += [
        "",
        f"Ready after {ready:.1f} s; memory (PSS) {idle:.0f} MiB idle, {peak:.0f} MiB after the run. Background jobs "
        "were off, as in a set-up with `openshelf worker` beside the server.\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
