"""Many processes in PyTorch: DistributedDataParallel adds up gradients during the backward pass.

torchrun --nproc-per-node 2 -m impls.torch.train --preset classroom
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def join(rank: int, size: int) -> None:
    """Join the other processes. torchrun's variables say where they are and which one this is."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))  # --device cuda: its own GPU
    dist.init_process_group(rank=rank, world_size=size)  # gloo on CPUs, NCCL on GPUs


def spread(*batch: Tensor) -> tuple[Tensor, ...]:
    """This process's rows. If the batch does not divide evenly, some processes have one more."""
    if not dist.is_initialized():
        return batch
    return tuple(rows.tensor_split(dist.get_world_size())[dist.get_rank()] for rows in batch)


class Spread(DistributedDataParallel):
    """A model whose backward sends its gradients, in buckets, as soon as each is complete."""

    def get_submodule(self, target: str) -> nn.Module:
        return self.module.get_submodule(target)


def add_up(gpt: nn.Module) -> nn.Module:
    """A model whose backward leaves the sum of all processes' gradients on the parameters.

    By default it would be their mean, which is wrong for slices of different sizes.
    """
    if not dist.is_initialized():
        return gpt
    spread = Spread(gpt)
    spread.register_comm_hook(None, add_up_bucket)
    return spread


def add_up_bucket(_: None, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Start adding up a bucket of gradients; the backward pass continues meanwhile."""
    begun = dist.all_reduce(bucket.buffer(), async_op=True)
    return begun.get_future().then(lambda done: done.value()[0])


def total(loss: Tensor) -> Tensor:
    """The loss of the batch: the sum of what each process's rows contribute."""
    if dist.is_initialized():
        dist.all_reduce(loss)
    return loss


def most(*numbers: float) -> tuple[float, ...]:
    """The maximum of each number over all processes."""
    largest = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return tuple(largest.tolist())


def leave(status: int) -> None:
    """Leave the others; after a failure, without waiting for them."""
    if status:
        os._exit(status)
    dist.destroy_process_group()
