"""Train a network that tells handwritten digits apart, over several processes.

Every process runs this file. An array that is split over all of them is one
array to JAX, which adds the gradients up by itself.
"""

import io
import os

import boto3
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS, BATCH, RATE = 30, 96, 0.5


def main():
    jax.distributed.initialize(
        coordinator_address=f"{os.environ['COORDINATOR_ADDRESS']}:{os.environ['COORDINATOR_PORT']}",
        num_processes=int(os.environ["NUM_PROCESSES"]),
        process_id=int(os.environ["PROCESS_ID"]),
    )
    rank, world = jax.process_index(), jax.process_count()
    print(f"process {rank} of {world}, {jax.device_count()} devices", flush=True)
    mesh = jax.make_mesh((jax.device_count(),), ("all",))
    split = NamedSharding(mesh, PartitionSpec("all"))

    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        (digits.data / 16).astype("float32"), digits.target, test_size=0.2, random_state=1, stratify=digits.target
    )
    weights = jax.device_put(begin(), NamedSharding(mesh, PartitionSpec()))
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng(epoch).permutation(len(images))
        losses = []
        for at in range(0, len(order) - BATCH + 1, BATCH):
            mine = order[at : at + BATCH][rank::world]
            x = jax.make_array_from_process_local_data(split, images[mine])
            y = jax.make_array_from_process_local_data(split, labels[mine])
            weights, loss = step(weights, x, y)
            losses.append(float(loss))
        if rank == 0:
            print(f"epoch {epoch}: loss {np.mean(losses):.4f}", flush=True)

    if rank == 0:
        final = jax.tree.map(lambda w: np.asarray(w.addressable_data(0)), weights)
        accuracy = np.mean(np.asarray(scores(final, test_images)).argmax(axis=1) == test_labels)
        data = io.BytesIO()
        np.savez(data, **final)
        boto3.resource("s3").create_bucket(Bucket="jax").put_object(Key="digits/weights.npz", Body=data.getvalue())
        print("model: s3://jax/digits/weights.npz")
        print(f"accuracy {accuracy:.4f}", flush=True)


def begin():
    random = np.random.default_rng(0)
    return {
        "w1": random.normal(0, 0.1, (64, 64)).astype("float32"),
        "b1": np.zeros(64, "float32"),
        "w2": random.normal(0, 0.1, (64, 10)).astype("float32"),
        "b2": np.zeros(10, "float32"),
    }


def scores(w, x):
    return jax.nn.relu(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"]


@jax.jit
def step(weights, x, y):
    def loss(w):
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores(w, x)), y[:, None], axis=1))

    value, gradients = jax.value_and_grad(loss)(weights)
    return jax.tree.map(lambda w, g: w - RATE * g, weights, gradients), value


if __name__ == "__main__":
    main()
