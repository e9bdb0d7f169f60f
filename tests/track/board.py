"""TensorBoard's two loaders, each in a process of its own: what they have read of a folder so far."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOADERS = ("fast", "python")
Seen = dict[str, Any]


class Board:
    """A TensorBoard that has a folder open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def look(self) -> Seen:
        """Of the one run there is: scalars, hyperparameters, and the tags of all else."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def curve(self, tag: str, until: Callable[[list[Any]], bool]) -> list[tuple[int, float]]:
        """The points of a tag once they are as they should be, or as they are after a while."""
        deadline = time.monotonic() + 15
        while True:
            points = self.look()["scalars"].get(tag, [])
            if until(points) or time.monotonic() > deadline:
                return [(step, value) for step, value in points]
            time.sleep(0.1)


@contextmanager
def board(logdir: Path, loader: str) -> Iterator[Board]:
    """A TensorBoard for the time of a test."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.track.board", str(logdir), loader]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Board(process)
        finally:
            process.terminate()


def _provider(logdir: str, loader: str) -> tuple[Any, Callable[[], None]]:
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.data import server_ingester
    from tensorboard.util.grpc_util import ChannelCredsType

    if loader == "fast":
        fast = server_ingester.SubprocessServerDataIngester(
            server_ingester.get_server_binary(),
            logdir,
            reload_interval=1,
            channel_creds_type=ChannelCredsType.LOCAL,
            samples_per_plugin={"scalars": 0},
        )
        fast.start()
        return fast.data_provider, lambda: None
    python = EventMultiplexer(tensor_size_guidance={"scalars": 0})
    provider = MultiplexerDataProvider(python, logdir)
    return provider, lambda: python.AddRunsFromDirectory(logdir).Reload()


def _seen(provider: Any) -> Seen:
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    ask = {"experiment_id": ""}
    scalars = provider.read_scalars(RequestContext(), plugin_name="scalars", downsample=10**6, **ask)
    [points] = scalars.values() or [{}]
    tags = {}
    for plugin in ("text", "pr_curves"):
        tags[plugin] = provider.list_tensors(RequestContext(), plugin_name=plugin, **ask)
    for plugin in ("images", "audio", "graphs"):
        tags[plugin] = provider.list_blob_sequences(RequestContext(), plugin_name=plugin, **ask)
    tags["histograms"] = provider.list_tensors(RequestContext(), plugin_name="histograms", **ask)
    statuses = list(api_pb2.Status.values())
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, start_index=0, slice_size=9)
    context = backend_context.Context(TBContext(data_provider=provider))
    found = list_session_groups.Handler(RequestContext(), context, "", request).run()
    sessions = [session for group in found.session_groups for session in group.sessions]
    return {
        "scalars": {tag: [(at.step, at.value) for at in some] for tag, some in points.items()},
        "tags": {plugin: sorted(tag for run in of.values() for tag in run) for plugin, of in tags.items()},
        "hparams": {
            name: getattr(value, value.WhichOneof("kind"))
            for group in found.session_groups
            for name, value in group.hparams.items()
        },
        "metrics": {value.name.tag: value.value for session in sessions for value in session.metric_values},
        "status": [api_pb2.Status.Name(session.status) for session in sessions],
    }


def main() -> None:
    """Answer each line with what was read until then."""
    provider, reload = _provider(*sys.argv[1:])
    for _ in sys.stdin:
        reload()
        print(json.dumps(_seen(provider)), flush=True)


if __name__ == "__main__":
    main()
