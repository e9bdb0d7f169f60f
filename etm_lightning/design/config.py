"""The schema in front of the YAML: what a config may hold, of which type, and what a typo was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

NAME = "etm_schema"
OPEN = ("data", "model", "callbacks", "logger", "vars")
"""Nodes that take any key: what their `_target_` does not accept is refused when it is built."""


@dataclass
class TrainerConfig:
    """Every argument of `lightning.pytorch.Trainer`, with Lightning's own defaults."""

    _target_: str = "lightning.pytorch.Trainer"
    accelerator: Any = "auto"
    strategy: Any = "auto"
    devices: Any = "auto"
    num_nodes: int = 1
    precision: Any = None
    logger: Any = None
    callbacks: Any = None
    fast_dev_run: Any = False
    max_epochs: int | None = None
    min_epochs: int | None = None
    max_steps: int = -1
    min_steps: int | None = None
    max_time: Any = None
    limit_train_batches: Any = None
    limit_val_batches: Any = None
    limit_test_batches: Any = None
    limit_predict_batches: Any = None
    overfit_batches: Any = 0.0
    val_check_interval: Any = None
    check_val_every_n_epoch: int | None = 1
    num_sanity_val_steps: int | None = None
    log_every_n_steps: int | None = None
    enable_checkpointing: bool | None = None
    enable_progress_bar: bool | None = None
    enable_model_summary: bool | None = None
    accumulate_grad_batches: int = 1
    gradient_clip_val: Any = None
    gradient_clip_algorithm: str | None = None
    deterministic: Any = None
    benchmark: bool | None = None
    inference_mode: bool = True
    use_distributed_sampler: bool = True
    profiler: Any = None
    detect_anomaly: bool = False
    barebones: bool = False
    plugins: Any = None
    sync_batchnorm: bool = False
    reload_dataloaders_every_n_epochs: int = 0
    default_root_dir: str | None = None
    enable_autolog_hparams: bool = True
    model_registry: str | None = None


@dataclass
class Paths:
    """Where things go: the store, the folder of the run, the name of that folder."""

    store: str = "etm_runs"
    run: str = ""
    id: str = ""


@dataclass
class Search:
    """How a multirun searches; without any of these it is the grid of what was typed.

    Attributes:
        sampler: grid, random, tpe, gp, cmaes, qmc or nsgaii; ``{name: tpe, n_startup_trials: 5}`` with
            options of it; ``{_target_: …}`` for any other. null is grid, or tpe if there is an interval.
        pruner: none, median, asha, hyperband, patience or wilcoxon, or likewise.
        n_trials: how many trials; null for the whole grid, or 20 with another sampler.
        n_jobs: trials at a time; null for as many as the GPUs hold, or 1 without; on Ray for as many as the
            cluster holds; on SLURM for 8.
        timeout: seconds after which no trial begins any more.
        trial_timeout: seconds after which a run of a trial is ended.
        max_retries: how often a trial whose process died goes on from its last checkpoint.
        trials_per_gpu: trials that share a GPU.
        gpus_per_trial: GPUs of one trial.
        monitor: the value that pruning follows; by default the objective.
        objective: what decides: a name, or several, or ``{name: direction}``; by default the config's
            `monitor`. Besides metrics our `train.py` knows ``params`` and ``seconds``.
        direction: ``minimize`` or ``maximize``, one for each objective; by default as the config's `mode`
            says, else minimize.
        replicates: runs of a trial, with one seed after the other from the config's on.
        seeds: or those seeds.
        folds: folds of a cross-validation: each is a run of the trial; 0 for none.
        optimum: the best value that a run can have, such as 1 for an accuracy: a trial of several runs ends
            when it cannot win any more. null knows it for common scores.
        confirm: fresh seeds on which the winner and the runner-up are trained after the search.
        keep_checkpoints: of how many of the best trials checkpoints stay; null for all.
        seed: of the sampler.
        enqueue: settings to try first, a list of ``{name: value}``.
        resume: go on with an unfinished study of the same command; false begins a new one.
        space: what varies besides what is typed, by name; what is typed counts, and what the config
            does not have is left out.
        zip: lists of names of parameters that go together: the first values of each, the second, …
        when: what varies only where another parameter has some value: ``{model: {small: {lr: 0.1}}}``.
        skip_known: take the value of an earlier finished run of the same config, if the store has one.
        dry_run: show what would be tried, and start nothing.
        max_runtime_secs: seconds after which the search ends; trials that run then are asked to.
        nfolds: another word for `folds`.
        explain: tell in the end what mattered, and where the best run errs.
    """

    sampler: Any = None
    pruner: Any = "none"
    n_trials: int | None = None
    n_jobs: int | None = None
    timeout: float | None = None
    trial_timeout: float | None = None
    max_retries: int = 1
    trials_per_gpu: int = 1
    gpus_per_trial: int = 1
    monitor: str = ""
    objective: Any = None
    direction: Any = None
    replicates: int = 0
    seeds: list[int] = field(default_factory=list)
    folds: int = 0
    optimum: float | None = None
    confirm: int = 0
    keep_checkpoints: int | None = None
    seed: int | None = 0
    enqueue: list[Any] = field(default_factory=list)
    resume: bool = True
    space: Any = None
    zip: list[Any] = field(default_factory=list)
    when: Any = None
    skip_known: bool = False
    dry_run: bool = False
    max_runtime_secs: float | None = None
    nfolds: int = 0
    explain: bool = False


@dataclass
class SweeperConfig(Search):
    """The node ``hydra.sweeper`` of ``hydra/sweeper=etm``; `params` is swept besides what is typed."""

    _target_: str = "hydra_plugins.etm_lightning.EtmSweeper"
    _recursive_: bool = False
    params: dict[str, Any] | None = None


@dataclass
class LauncherConfig:
    """The node ``hydra.launcher`` of ``hydra/launcher=etm_local``.

    Attributes:
        fork_server: trials are forked from a process that has imported the libraries, so that they begin at
            once; false starts a python for each, null is true on Linux and false elsewhere.
    """

    _target_: str = "hydra_plugins.etm_lightning.EtmLocal"
    fork_server: bool | None = None


@dataclass
class SlurmConfig:
    """The node ``hydra.launcher`` of ``hydra/launcher=etm_slurm``: what `sbatch` is asked each trial.

    Attributes:
        partition: where; null leaves it to SLURM, as with all that is null.
        account: which is charged.
        qos: quality of service.
        constraint: features that the node must have.
        cpus: of one trial.
        gpus: of one trial; 0 for none.
        mem: memory, as SLURM writes it: 16GB.
        time: minutes after which SLURM ends a job.
        warning: seconds before that end in which the trial is asked to go, so that it can go on.
        requeues: how often a trial goes on after that end.
        setup: lines of shell that run before the trial.
        extra: any other parameter of `sbatch`, by its name.
        cluster: ``slurm``, or ``local`` for processes of this machine through submitit.
    """

    _target_: str = "hydra_plugins.etm_lightning.EtmSlurm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    cpus: int = 1
    gpus: int = 0
    mem: str | None = None
    time: int = 60
    warning: int = 90
    requeues: int = 3
    setup: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"


@dataclass
class RayConfig:
    """The node ``hydra.launcher`` of ``hydra/launcher=etm_ray``: where Ray is, and what each trial takes.

    Attributes:
        address: of a cluster; ``auto`` for the one that runs here; null for RAY_ADDRESS, or without it a
            cluster that begins and ends with the study.
        cpus: of one trial.
        gpus: of one trial, which may be a part; null for `search.gpus_per_trial` /
            `search.trials_per_gpu` where the cluster has GPUs.
        memory_gb: of one trial, in 10^9 bytes; null does not reserve any.
        resources: of one trial, by the names that the cluster has for them.
        init: further arguments of `ray.init`.
    """

    _target_: str = "hydra_plugins.etm_lightning.EtmRay"
    address: str | None = None
    cpus: float = 1.0
    gpus: float | None = None
    memory_gb: float | None = None
    resources: dict[str, Any] = field(default_factory=dict)
    init: dict[str, Any] = field(default_factory=dict)


@dataclass
class Config:
    """A whole experiment.

    Attributes:
        project: the project that the run belongs to.
        name: a readable name; by default made of the overrides.
        group: the group that the run belongs to; a multirun makes one.
        tags: words to find the run by.
        notes: free text.
        question: what the experiment is to answer.
        method: how.
        seed: seed of everything; null for none.
        lr: learning rate.
        batch_size: rows per batch and process.
        max_epochs: how long to train.
        fold: the fold of a cross-validation that this run validates on, from 0; null for none.
        folds: how many folds there are.
        precision: as Lightning spells it: 32, 16-mixed, bf16-mixed, 64-true, …
        monitor: the value that chooses the best checkpoint and ranks runs.
        mode: whether `monitor` is better when higher (max) or lower (min).
        ckpt_path: a checkpoint to go on from.
        resume: ``auto``: go on with the newest unfinished run of this config; ``never``; or the id of a run.
        all_ranks: every rank records its own values, in a file of its own.
        test: test the best checkpoint after a single run, or the winner after a multirun.
        vars: names of your own, to refer to as ``${vars.name}``.
        paths: where things go.
        data: the data module.
        model: the LightningModule.
        callbacks: callbacks by name.
        logger: further loggers by name; ours is always there.
        trainer: arguments of the Trainer.
        search: how a multirun searches.
    """

    project: str = "default"
    name: str = ""
    group: str = ""
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    question: str = ""
    method: str = ""
    seed: int | None = 1
    lr: float | None = None
    batch_size: int | None = None
    max_epochs: int | None = None
    fold: int | None = None
    folds: int | None = None
    precision: Any = None
    monitor: str = ""
    mode: str = "max"
    ckpt_path: str | None = None
    resume: str = "never"
    all_ranks: bool = False
    test: bool = True
    vars: Any = None
    paths: Paths = field(default_factory=Paths)
    data: Any = None
    model: Any = None
    callbacks: Any = None
    logger: Any = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    search: Search = field(default_factory=Search)


def nearest(word: str, known: Iterable[str]) -> str:
    """What a mistyped word was probably meant to be, as the end of a sentence; "" if nothing is near.

    >>> nearest("precission", ["precision", "profiler"])
    '; did you mean `precision`?'
    """
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{found[0]}`?" if found else ""
