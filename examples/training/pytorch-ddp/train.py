"""Train a network that tells handwritten digits apart, over several machines.

Every replica runs this file. torch.distributed learns from MASTER_ADDR, RANK and
WORLD_SIZE who it is and where the others are, and DistributedDataParallel adds
the gradients of all up.
"""

import io

import boto3
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

EPOCHS = 15


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"rank {rank} of {world}", flush=True)

    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target), test_size=0.2, random_state=1, stratify=digits.target
    )
    data = TensorDataset(images, labels)
    sampler = DistributedSampler(data)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    measure = nn.CrossEntropyLoss()
    for epoch in range(1, EPOCHS + 1):
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

    if rank == 0:
        with torch.no_grad():
            accuracy = (model.module(test_images).argmax(dim=1) == test_labels).float().mean().item()
        weights = io.BytesIO()
        torch.save(model.module.state_dict(), weights)
        boto3.resource("s3").create_bucket(Bucket="pytorch").put_object(Key="digits/model.pt", Body=weights.getvalue())
        print("model: s3://pytorch/digits/model.pt")
        print(f"accuracy {accuracy:.4f}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
