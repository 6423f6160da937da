"""The servers that are compared, all with the same interface."""

from __future__ import annotations

from bench.servers.docker_registry import DockerRegistry
from bench.servers.giftless import Giftless
from bench.servers.mlflow import MLflow
from bench.servers.nginx import Nginx
from bench.servers.openshelf import Openshelf, OpenshelfBehindNginx, OpenshelfPlainSha
from bench.servers.peer import Peer

__all__ = [
    "NAMES",
    "DockerRegistry",
    "Giftless",
    "MLflow",
    "Nginx",
    "Openshelf",
    "OpenshelfBehindNginx",
    "OpenshelfPlainSha",
    "Peer",
]

NAMES: dict[str, type[Peer]] = {
    "openshelf": Openshelf,
    "accel": OpenshelfBehindNginx,
    "plain-sha": OpenshelfPlainSha,
    "nginx": Nginx,
    "docker-registry": DockerRegistry,
    "mlflow": MLflow,
    "giftless": Giftless,
}
