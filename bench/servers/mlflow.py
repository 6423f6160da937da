"""MLflow's artifact server, in an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Target
from bench.environments import CannotInstall, program_of
from bench.processes import free_port, running
from bench.samples import Sample
from bench.servers.peer import Peer

API = "/api/2.0/mlflow-artifacts/artifacts"


class MLflow(Peer):
    """``mlflow server --artifacts-only`` with one worker, on local files."""

    name = "MLflow"
    does = "proxies artifacts to and from a folder; one worker process of its default server (uvicorn)"
    does_not = "hash, verify, deduplicate, sync to disk, know who asks"
    share = 8

    @classmethod
    def missing(cls) -> str:
        try:
            program_of("mlflow", "mlflow")
        except CannotInstall as error:
            return str(error)
        return ""

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        port, self.files = free_port(), folder / "files"
        self.files.mkdir(parents=True)
        program = program_of("mlflow", "mlflow")
        command = [str(program), "server", "--artifacts-only", "--artifacts-destination", str(self.files)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        # It starts programs of its environment by name.
        environment = {
            "PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with running(command, port, folder / "log", environment, path="/health", folder=folder) as self.server:
            yield

    def upload_to(self, sample: Sample) -> Target:
        return self.file(sample)

    def file(self, sample: Sample) -> Target:
        return Target(f"{self.server.url}{API}/model/{sample.name}")
