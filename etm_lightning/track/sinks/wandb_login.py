"""Whether W&B is to be used online, and whether somebody is logged in there; nothing here asks or waits."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etm_lightning.track.sinks.sink import RefusedError

MODES = {"online": "online", "run": "online", "shared": "online", "offline": "offline", "dryrun": "offline"}
_SERVER = "https://api.wandb.ai"


def mode_of(options: Mapping[str, Any]) -> str:
    """``online``, ``offline`` or ``disabled``: as the option says, else `WANDB_MODE`, else W&B's settings.

    Raises:
        ValueError: if it is something else.
    """
    given = str(options.get("mode") or os.environ.get("WANDB_MODE") or _settings().mode or "online")
    if given == "disabled":
        return given
    if given not in MODES:
        raise ValueError(f"`mode` must be online, offline or disabled but got {given!r}")
    return MODES[given]


def refuse_without_login(base_url: str = "") -> None:
    """Raise unless W&B will find a key for its server.

    Raises:
        RefusedError: if nobody is logged in.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return
    url = base_url or os.environ.get("WANDB_BASE_URL") or _settings().base_url or _SERVER
    if not _in_netrc(urlsplit(url).hostname or url):
        raise RefusedError("not logged in to W&B: `wandb login`, or WANDB_MODE=offline")


def _in_netrc(host: str) -> bool:
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]:
        try:
            found = netrc.netrc(str(path.expanduser())).authenticators(host)
        except (OSError, netrc.NetrcParseError):  # W&B could not read it either
            continue
        if found:
            return True
    return False


def _settings() -> Any:
    """W&B's own settings: its files and the environment."""
    from wandb.sdk import wandb_setup

    return wandb_setup.singleton().settings
