"""What a torch module is made of: a table of its parts, and its operations."""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import partial
from typing import Any

from etm_lightning.track.media.exhibit import Copy, encoded

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
