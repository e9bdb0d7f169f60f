"""What a model is made of, and which of its checkpoints are artifacts."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from etm_lightning.track.media.exhibit import Copy, encoded

if TYPE_CHECKING:
    from etm_lightning.track.run import Run

_MOST_NODES = 2000


def summary(module: Any, depth: int = 2) -> tuple[str, dict[str, Any]]:
    """A table of a torch module's parts down to `depth`, and how many parameters it has.

    The module is looked at and never called, so it costs no memory and no random number.
    """
    rows = [("name", "type", "parameters")]
    for name, part in module.named_modules():
        if name and name.count(".") < depth:
            rows.append((name, type(part).__name__, f"{_parameters(part)[0]:,}"))
    total, trainable = _parameters(module)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    end = f"{total:,} parameters, of which {trainable:,} are trained"
    facts = {"class": f"{type(module).__module__}.{type(module).__qualname__}"}
    return "\n".join([*lines, "", end]), facts | {"total": total, "trainable": trainable}


def _parameters(module: Any) -> tuple[int, int]:
    """How many numbers a module has and how many of them are trained; lazy ones have none yet."""
    known = [p for p in module.parameters() if not hasattr(p, "materialize")]
    return sum(p.numel() for p in known), sum(p.numel() for p in known if p.requires_grad)


def graph(module: Any, inputs: Any) -> Copy:
    """The operations of a torch module: its symbolic trace, or where it has none a trace of one call.

    The call is made without gradients in evaluation mode, and leaves mode and random numbers as they were.

    Raises:
        TypeError: without torch.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(module, "named_modules"):
        raise TypeError(f"`module` must be a module of torch but got {type(module).__name__}")
    try:
        nodes = _symbolic(module)
    except Exception:  # what it does depends on its input
        nodes = _traced(torch, module, inputs)
    left = {"left_out": len(nodes) - _MOST_NODES} if len(nodes) > _MOST_NODES else {}
    return Copy(partial(encoded, {"nodes": nodes[:_MOST_NODES], **left}), 256 * len(nodes))


def _symbolic(module: Any) -> list[dict[str, Any]]:
    parts = dict(module.named_modules())
    nodes = []
    for node in importlib.import_module("torch.fx").Tracer().trace(module).nodes:
        if node.op == "call_module":
            op = type(parts[node.target]).__name__
        elif node.op in ("call_function", "call_method"):
            op = getattr(node.target, "__name__", str(node.target))
        else:
            op = node.op
        nodes.append({"name": node.name, "op": op, "inputs": [n.name for n in node.all_input_nodes]})
    return nodes


def _traced(torch: Any, module: Any, inputs: Any) -> list[dict[str, Any]]:
    first = next(module.parameters(), None)
    given = _moved(inputs, "cpu" if first is None else first.device)
    call = {"example_kwarg_inputs": given} if isinstance(given, dict) else {"example_inputs": given}
    modes = [(part, part.training) for part in module.modules()]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    module.eval()
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's, about what depends on the input
            traced = torch.jit.trace(module, **call, strict=False, check_trace=False)
    finally:
        for part, mode in modes:
            part.training = mode
    found = [node for node in traced.inlined_graph.nodes() if not node.kind().startswith("prim::")]
    return [
        {
            "name": next(node.outputs()).debugName(),
            "op": node.kind().removeprefix("aten::"),
            "inputs": [value.debugName() for value in node.inputs() if "Tensor" in str(value.type())],
        }
        for node in found
    ]


def _moved(inputs: Any, device: Any) -> Any:
    if isinstance(inputs, dict):
        return {name: _moved(part, device) for name, part in inputs.items()}
    if isinstance(inputs, list | tuple):
        return tuple(_moved(part, device) for part in inputs)
    return inputs.to(device) if hasattr(inputs, "to") else inputs


class Kept(NamedTuple):
    """What is known about a checkpoint when it is saved."""

    score: float | None
    monitor: str
    mode: str
    step: int
    epoch: int


class Models:
    """Records checkpoints as versions of the artifact ``model``.

    With ``log_model=True`` when the training ends, however it ends: those that ModelCheckpoint kept, the best
    and the last among them. With ``"all"``, or where it keeps every one, each when it is saved.

    Args:
        log_model: False for none.
    """

    def __init__(self, log_model: bool | Literal["all"]) -> None:
        self.log_model = log_model
        self._callbacks: list[Any] = []
        self._saved: dict[str, Kept] = {}
        self._recorded: dict[str, int] = {}

    def saved(self, run: Run, callback: Any, path: str, kept: Kept) -> None:
        """A ModelCheckpoint has saved a file."""
        if not self.log_model or not run.shows:
            return
        self._saved[os.path.realpath(path)] = kept
        if self.log_model == "all" or callback.save_top_k == -1:
            self._record(run, path, best=path == callback.best_model_path)
        elif all(known is not callback for known in self._callbacks):
            self._callbacks.append(callback)

    def ended(self, run: Run) -> None:
        """Training is over: record what has been kept and is not recorded yet, the newest last."""
        found: dict[str, bool] = {}
        for callback in self._callbacks:
            with contextlib.suppress(ReferenceError):  # the Trainer is gone, and its callbacks with it
                best = os.path.realpath(callback.best_model_path)
                kept = (*callback.best_k_models, callback.best_model_path, callback.last_model_path)
                paths = {os.path.realpath(path) for path in kept if path}
                found |= {path: path == best for path in paths if os.path.exists(path)}
        for path in sorted(found, key=os.path.getmtime):
            self._record(run, path, best=found[path])

    def _record(self, run: Run, path: str, *, best: bool) -> None:
        path = os.path.realpath(path)
        written = os.stat(path).st_mtime_ns
        if self._recorded.get(path) == written:
            return
        self._recorded[path] = written
        kept = self._saved.get(path)
        run.log_artifact(
            path,
            "model",
            "model",
            ("latest", "best") if best else ("latest",),
            info={**(kept._asdict() if kept else {}), "original_filename": os.path.basename(path)},
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the callbacks, which stay in their process."""
        return self.__dict__ | {"_callbacks": []}
