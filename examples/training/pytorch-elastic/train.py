"""Train a network that tells handwritten digits apart, over machines that come and go.

torchrun runs this file in every replica, and runs it again in all of them when
one has come, or has gone: training goes on after the last epoch that is kept.
"""

import io
import os
import sys

import boto3
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
S3 = boto3.resource("s3")
KEPT = S3.Object("pytorch-elastic", "digits/checkpoint.pt")
MODEL = S3.Object("pytorch-elastic", "digits/model.pt")


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()

    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target), test_size=0.2, random_state=1, stratify=digits.target
    )
    data = TensorDataset(images, labels)
    sampler = DistributedSampler(data)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    # One looks, for all: others might find a later checkpoint.
    kept = [load() if rank == 0 else None]
    dist.broadcast_object_list(kept)
    done = 0
    if kept[0]:
        done = kept[0]["epoch"]
        network.load_state_dict(kept[0]["network"])
        optimizer.load_state_dict(kept[0]["optimizer"])
    print(f"rank {rank} of {world} begins after epoch {done}", flush=True)

    model = DistributedDataParallel(network)
    measure = nn.CrossEntropyLoss()
    for epoch in range(done + 1, EPOCHS + 1):
        sampler.set_epoch(epoch)
        total = torch.zeros(2)
        for x, y in DataLoader(data, batch_size=32, sampler=sampler):
            optimizer.zero_grad()
            loss = measure(model(x), y)
            loss.backward()
            optimizer.step()
            total += torch.tensor([loss.item(), 1])
        dist.all_reduce(total)
        if rank == 0:
            print(f"epoch {epoch}: loss {total[0] / total[1]:.4f}", flush=True)
            put({"epoch": epoch, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, KEPT)

    if rank == 0:
        with torch.no_grad():
            accuracy = (network(test_images).argmax(dim=1) == test_labels).float().mean().item()
        put(network.state_dict(), MODEL)
        print(f"model: s3://{MODEL.bucket_name}/{MODEL.key}")
        print(f"accuracy {accuracy:.4f}", flush=True)
    dist.barrier()
    if rank == 0:
        KEPT.delete()  # the next job begins anew
    dist.destroy_process_group()


def load():
    """What was kept last, or None."""
    try:
        return torch.load(io.BytesIO(KEPT.get()["Body"].read()))
    except (KEPT.meta.client.exceptions.NoSuchBucket, KEPT.meta.client.exceptions.NoSuchKey):
        return None


def put(what, where):
    where.Bucket().create()
    data = io.BytesIO()
    torch.save(what, data)
    where.put(Body=data.getvalue())


if __name__ == "__main__":
    main()
