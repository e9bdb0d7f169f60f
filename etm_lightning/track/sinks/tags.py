"""The tags under which TensorBoard shows series, and where along the x-axis their points lie.

TensorBoard knows neither stages nor axes: a tag is one curve, and its fast loader takes a step that is not
above the last one for a restart, and drops what came before.
"""

from __future__ import annotations

from collections.abc import Mapping

from etm_lightning.records import Json

EVAL_BATCH = "eval_batch"


class Tags:
    """Gives each series a tag of its own, and remembers it.

    Args:
        state: what `state` gave earlier.

    >>> tags = Tags({})
    >>> tags.tag("loss", "train", "step"), tags.tag("loss", "validate", "step")
    ('loss', 'loss (validate, step)')
    >>> tags.tag("acc", "test", "eval_batch"), tags.tag("acc_step", "test", "eval_batch")
    ('acc (eval_batch)', 'acc_step')
    """

    def __init__(self, state: Mapping[str, Json]) -> None:
        self._owners: dict[str, str] = dict(state.get("owners", {}))
        self._places: dict[str, list[int]] = {tag: list(at) for tag, at in state.get("places", {}).items()}
        self._known: dict[tuple[str, str, str], str] = {}

    def state(self) -> dict[str, Json]:
        """What to give the next time."""
        return {"owners": self._owners, "places": self._places}

    def tag(self, name: str, stage: str, axis: str) -> str:
        """The tag of a series: its name, if no other has that already.

        Args:
            name: as logged.
            stage: stage, or the word for what is shown under it if that is not a curve.
            axis: the axis, or empty if it is not a curve.
        """
        key = name, stage, axis
        tag = self._known.get(key)
        if tag is None:
            plain = axis != EVAL_BATCH or name.endswith("_step")
            tag = name if plain else f"{name} ({EVAL_BATCH})"
            owner = ", ".join(filter(None, (stage, axis)))
            if self._owners.setdefault(tag, owner) != owner:
                tag = f"{name} ({owner})"
                self._owners.setdefault(tag, owner)
            self._known[key] = tag
        return tag

    def place(self, tag: str, step: int | None, axis: str = "") -> int:
        """Where the next point of a tag lies: at its step, but always after the point before.

        An evaluation counts its batches from 0 each time; the next one goes on where the last one ended.

        >>> tags = Tags({})
        >>> [tags.place("a (eval_batch)", step, "eval_batch") for step in (0, 1, 2, 0, 1)]
        [0, 1, 2, 3, 4]
        >>> [tags.place("sample", step) for step in (5, 5, 20, None)]
        [5, 6, 20, 21]
        """
        shift, last = self._places.get(tag, (0, -1))
        place = last + 1 if step is None else step + shift
        if place <= last:
            shift += last + 1 - place if axis == EVAL_BATCH else 0
            place = last + 1
        self._places[tag] = [shift, place]
        return place
