"""What TensorBoard's HPARAMS tab knows of a run: its settings, and how it ended.

There is no summary of the experiment on purpose: TensorBoard would take that of the first run for all of
them. Without one it asks every run for its settings and every curve for its last value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from etm_lightning.records import Json

START, END = "_hparams_/session_start_info", "_hparams_/session_end_info"
_LARGEST = 2**63
_GOOD = ("finished", "pruned")
_NOTHING = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape={"dim": [{"size": 0}]})


def session_start(settings: Mapping[str, Json], created: float) -> Any:
    """Settings by dotted name, as numbers, truth values or texts; `created` in Unix seconds."""
    info = plugin_data_pb2.SessionStartInfo(start_time_secs=created)
    for name, value in settings.items():
        _set(info.hparams[name], value)
    return _summary(START, session_start_info=info)


def session_end(status: str, time: float) -> Any:
    """How it ended: success if it came to an end that was meant."""
    code = api_pb2.STATUS_SUCCESS if status in _GOOD else api_pb2.STATUS_FAILURE
    return _summary(END, session_end_info=plugin_data_pb2.SessionEndInfo(status=code, end_time_secs=time))


def _set(target: Any, value: Json) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= _LARGEST):
        target.number_value = value
    else:
        target.string_value = value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _summary(tag: str, **content: Any) -> Any:
    data = plugin_data_pb2.HParamsPluginData(version=0, **content).SerializeToString()
    metadata = {"plugin_data": {"plugin_name": "hparams", "content": data}}
    value = summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=_NOTHING)
    return summary_pb2.Summary(value=[value])
