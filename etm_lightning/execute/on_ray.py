"""Trials as tasks of Ray: on a cluster that is there, or on one that begins and ends with the study."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_lightning.design.config import RayConfig
from etm_lightning.execute.launching import MEMORY, Errand, Slot
from etm_lightning.execute.remote import RemoteJob, Traces

_OBJECTS = 80 * 2**20
"""Bytes of shared memory for a cluster of our own: nothing goes through it but command lines."""
_MACHINES = ("RAY_", "CUDA_VISIBLE_DEVICES", "HOSTNAME", "PWD", "OLDPWD", "TMPDIR", "XDG_", "SSH_", "DISPLAY")
"""Variables that are a machine's own, and do not travel."""


def needs_ray() -> Any:
    """Ray, silent.

    Raises:
        ImportError: that says how to get it.
    """
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ImportError("hydra/launcher=etm_ray needs Ray: pip install 'etm-lightning[ray]'") from error
    return ray


class Ray:
    """Trials are tasks of Ray.

    Args:
        config: where, and what each trial takes.
        n_jobs: trials at a time; None for as many as the cluster holds.
        gpus: of one trial, where the cluster has any and the settings do not say.

    Raises:
        ImportError: without Ray.
        ValueError: if there is no such cluster, or it can never hold a trial.
    """

    def __init__(self, config: RayConfig, n_jobs: int | None, gpus: float) -> None:
        self._ray = needs_ray()
        self._connect(config)
        try:
            there = self._ray.cluster_resources()
            asked = 0.0 if "GPU" not in there else gpus
            self._needs = {"CPU": config.cpus, "GPU": asked if config.gpus is None else config.gpus}
            self._needs |= {"memory": (config.memory_gb or 0) * 1e9, **config.resources}
            self._needs = {name: float(value) for name, value in self._needs.items() if value}
            self.slots = [Slot()] * (n_jobs or self._holds(there))
        except BaseException:
            self.close()
            raise

    def start(self, errand: Errand, slot: Slot, lock: int) -> RemoteJob:
        needs = dict(self._needs)
        options = {"num_cpus": needs.pop("CPU", 0), "num_gpus": needs.pop("GPU", 0)}
        options |= {"memory": int(needs.pop("memory"))} if "memory" in needs else {}
        task = self._ray.remote(carry).options(**options, resources=needs, max_retries=0)
        env = {name: value for name, value in os.environ.items() if not name.startswith(_MACHINES)}
        reference = task.remote(
            errand.command, str(errand.cwd), {**env, **errand.env}, str(errand.place), errand.attempt
        )
        return RemoteJob(Traces(errand.place, errand.attempt), Task(self._ray, reference), Lost)

    def close(self) -> None:
        self._ray.shutdown()

    def _connect(self, config: RayConfig) -> None:
        address = config.address or os.environ.get("RAY_ADDRESS") or "local"
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == "local":
            options |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
        # what Ray installs for SIGTERM would end the study without a word
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._ray.init(address=address, **options | dict(config.init))
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            hint = "; it asks for a token: RAY_AUTH_MODE=token" if _refused(error) else ""
            raise ValueError(f"`hydra.launcher.address`: no Ray at {address!r}: {first}{hint}") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _holds(self, there: Mapping[str, float]) -> int:
        """How many trials the cluster holds at one time."""
        for name, need in self._needs.items():
            if there.get(name, 0) < need:
                where = {"CPU": "cpus", "GPU": "gpus", "memory": "memory_gb"}.get(name, f"resources.{name}")
                raise ValueError(
                    f"`hydra.launcher.{where}` must be at most {there.get(name, 0):g}, all that the cluster "
                    f"has, but got {need:g}; for a cluster that grows say search.n_jobs"
                )
        return max(1, min((int(there[name] / need) for name, need in self._needs.items()), default=1))


def _refused(error: BaseException | None) -> bool:
    """Whether a cluster is there, but does not let us in."""
    while error is not None:
        if type(error).__name__ == "AuthenticationError" or "InvalidAuthToken" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def carry(command: tuple[str, ...], cwd: str, env: dict[str, str], place: str, attempt: int) -> None:
    """The task: start the trial's guard on this node, and wait."""
    import ray

    from etm_lightning.execute import guard
    from etm_lightning.process import this_process

    context = ray.get_runtime_context()
    devices = ",".join(str(gpu) for gpu in ray.get_gpu_ids())
    job = f"ray {context.get_task_id()}"
    settings = guard.Settings(place, attempt, job, this_process(), devices, detached=True)
    guard.run(settings, command, cwd, {**os.environ, **env}).communicate()


@dataclass
class Task:
    """A task of this process's."""

    ray: Any
    reference: Any

    @property
    def handle(self) -> str:
        return f"ray {self.reference.task_id().hex()}"

    def gone(self) -> str | None:
        done, _ = self.ray.wait([self.reference], timeout=0, fetch_local=False)
        if not done:
            return None
        try:
            self.ray.get(self.reference)
        except self.ray.exceptions.OutOfMemoryError:
            return MEMORY
        except self.ray.exceptions.RayTaskError as error:
            return f"{type(error.cause).__name__}: {error.cause}"
        except self.ray.exceptions.RayError as error:
            return type(error).__name__
        return "unseen"

    def cancel(self) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.cancel(self.reference, force=True)


@dataclass(frozen=True)
class Lost:
    """A task of a controller that is gone, and with it its tasks: their guards end their trials."""

    handle: str

    def gone(self) -> str | None:
        return "unseen"

    def cancel(self) -> None:
        pass


def left_behind(handle: str, place: Path, attempt: int) -> RemoteJob:
    """An attempt that a controller before this one had."""
    return RemoteJob(Traces(place, attempt), Lost(handle), Lost)
