"""Train a network that tells handwritten digits apart, over several machines.

paddle.distributed.launch runs this file in every replica. It reads PADDLE_MASTER
and PADDLE_NNODES, meets the others there, and tells each process who it is.
"""

import tempfile

import boto3
import numpy as np
import paddle
import paddle.distributed as dist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS, BATCH = 15, 32


def main():
    paddle.set_device("cpu")
    paddle.seed(1)
    dist.init_parallel_env()
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"rank {rank} of {world}", flush=True)

    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        (digits.data / 16).astype("float32"), digits.target.astype("int64"), test_size=0.2, random_state=1, stratify=digits.target
    )
    model = paddle.nn.Sequential(paddle.nn.Linear(64, 64), paddle.nn.ReLU(), paddle.nn.Linear(64, 10))
    shared = paddle.DataParallel(model)
    optimizer = paddle.optimizer.Adam(5e-3, parameters=shared.parameters())
    measure = paddle.nn.CrossEntropyLoss()
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng(epoch).permutation(len(images) // world * world)[rank::world]
        losses = []
        for at in range(0, len(order), BATCH):
            mine = order[at : at + BATCH]
            loss = measure(shared(paddle.to_tensor(images[mine])), paddle.to_tensor(labels[mine]))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            losses.append(float(loss))
        if rank == 0:
            print(f"epoch {epoch}: loss {np.mean(losses):.4f}", flush=True)

    if rank == 0:
        model.eval()
        accuracy = np.mean(model(paddle.to_tensor(test_images)).numpy().argmax(axis=1) == test_labels)
        with tempfile.TemporaryDirectory() as folder:
            paddle.save(model.state_dict(), f"{folder}/model.pdparams")
            boto3.resource("s3").create_bucket(Bucket="paddle").upload_file(f"{folder}/model.pdparams", "digits/model.pdparams")
        print("model: s3://paddle/digits/model.pdparams")
        print(f"accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
