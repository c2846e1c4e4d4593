"""Several processes that torchrun or `accelerate launch` started to work as one.

All of them run the same program. Each encodes its share of the sentences and trains on its
share of every batch; the first of them alone writes and speaks. A process that was started by
itself is a team of one, to which all of this is nothing, and accelerate is not imported.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long one waits for another, who may be encoding."""


def launched() -> bool:
    """Whether this process was started together with others."""
    return "RANK" in os.environ and _number("WORLD_SIZE", 1) > 1 and _number("RANK", 0) >= 0


def is_first() -> bool:
    """Whether this process writes files and messages: the first one."""
    return not launched() or _number("RANK", 0) == 0


def _number(variable: str, default: int) -> int:
    """An environment variable that a launcher sets."""
    value = os.environ.get(variable, str(default))
    try:
        return int(value)
    except ValueError:
        raise UserError(
            f"the environment variable {variable} is '{value}', not a number",
            "unset it, or start the processes with torchrun or `accelerate launch`",
        ) from None


class Team:
    """A team of one."""

    rank, size = 0, 1

    def share(self, n: int) -> slice:
        """Rows of a batch of ``n`` that are this process's."""
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def joined(self, part: Tensor, n: int) -> Tensor:
        """``[n, ...]``: the shares of all; gradients flow into this process's own."""
        return part

    def add_up(self, tensors: Iterable[Tensor | None]) -> None:
        """Each tensor becomes its sum over all processes."""

    def agreed(self, value: T) -> T:
        """The first process's value, in every process."""
        return value

    def wait(self) -> None:
        """Wait until all processes reach this line."""


class Launched(Team):
    """accelerate finds backend and device: gloo on CPUs, NCCL with a GPU for each process."""

    def __init__(self, device: str = "auto") -> None:
        import torch

        if importlib.util.find_spec("accelerate") is None:
            raise UserError(
                "several processes need 'accelerate'", 'pip install "m2m-adapters[distributed]"'
            )
        if device not in ("auto", "cpu", "cuda"):
            raise UserError(
                f"several processes cannot share the device '{device}'",
                "leave --device out: each takes a GPU of its own",
            )
        from accelerate import PartialState

        for variable in ("LOCAL_RANK", "MASTER_PORT"):
            _number(variable, 0)
        on_cpu = device == "cpu" or not torch.cuda.is_available()
        state = PartialState(cpu=on_cpu, timeout=PATIENCE)
        self.rank, self.size = state.process_index, state.num_processes

    def joined(self, part: Tensor, n: int) -> Tensor:
        import torch.distributed as dist

        whole = part.new_zeros(n, *part.shape[1:])
        whole[self.share(n)] = part.detach()
        dist.all_reduce(whole)
        whole[self.share(n)] = part
        return whole

    def add_up(self, tensors: Iterable[Tensor | None]) -> None:
        import torch.distributed as dist

        for tensor in tensors:
            if tensor is not None:
                dist.all_reduce(tensor)

    def agreed(self, value: T) -> T:
        import torch.distributed as dist

        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        self.agreed(None)


_team: Team | None = None


def team(device: str = "auto") -> Team:
    """This process's team. device: as the user wishes; only the first call decides."""
    global _team
    if _team is None:
        _team = Launched(device) if launched() else Team()
    return _team
