"""Train a digit classifier on several machines with TensorFlow.

Every replica runs this file. TensorFlow learns from TF_CONFIG who it is:

    chief, workers   train in step, each on its share of every batch
    evaluator        tests each checkpoint on images that nobody trains on

The images lie in S3, the checkpoints too, so a replica that is killed goes on
where the others are. The finished model is one file in S3.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time

import boto3
import numpy as np
import tensorflow as tf


def main():
    args = parse_arguments()
    role = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    bucket = boto3.resource("s3").Bucket(args.bucket)
    if role.get("type") == "evaluator":
        evaluate(args, bucket)
    else:
        train(args, bucket, chief=role.get("type", "chief") == "chief")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bucket", default="digits", help="bucket with the images; the model is put there")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step, over all replicas")
    parser.add_argument("--patience", type=int, default=600, help="seconds the evaluator waits for a checkpoint")
    return parser.parse_args()


def train(args, bucket, chief):
    # The strategy connects the replicas, so it comes before anything else.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    images, labels = load(bucket, "train")
    with strategy.scope():
        model = build()

    folder = pathlib.Path(tempfile.mkdtemp())
    last = checkpoint(bucket)
    start = 0 if last["finished"] else last["epoch"]
    agree(strategy, start)
    if start:
        restore(model, bucket, folder, start)
        print(f"goes on after epoch {start}", flush=True)
    batches = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=1)
        .batch(args.batch_size)
        .repeat()
        .prefetch(1)
    )
    model.fit(
        batches,
        initial_epoch=start,
        epochs=args.epochs,
        steps_per_epoch=len(images) // args.batch_size,
        callbacks=[Checkpoint(bucket, folder, chief)],
        verbose=2,
    )

    if chief:
        # A copy outside of the strategy: it needs no other replica to be saved.
        final = build()
        final.set_weights(model.get_weights())
        images, labels = load(bucket, "test")
        _, accuracy = final.evaluate(images, labels, verbose=0)
        path = folder / "model.keras"
        final.save(path)
        bucket.upload_file(str(path), "model/model.keras")
        put_json(bucket, "model/finished.json", {"epochs": args.epochs, "accuracy": accuracy})
        print(f"held-out accuracy: {accuracy:.4f}")
        print(f"model: s3://{args.bucket}/model/model.keras", flush=True)
        mark(bucket, args.epochs, finished=True)


def agree(strategy, start):
    """Ends, to be started again, if another replica found another checkpoint."""

    @tf.function
    def mean():
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, strategy.run(lambda: tf.constant(float(start))), axis=None)

    if float(mean()) != start:
        raise SystemExit(f"here the last checkpoint is of epoch {start}, elsewhere of another: starting again")


def evaluate(args, bucket):
    model = build()
    folder = pathlib.Path(tempfile.mkdtemp())
    # What an earlier training has left, which is not ours to test.
    old = checkpoint(bucket)
    seen, deadline = 0, time.time() + args.patience
    while seen < args.epochs and time.time() < deadline:
        last = checkpoint(bucket)
        epoch = last["epoch"]
        if epoch == seen or (old["finished"] and last == old):
            time.sleep(0.5)
            continue
        restore(model, bucket, folder, epoch)
        seen, deadline = epoch, time.time() + args.patience
        images, labels = load(bucket, "test")
        loss, accuracy = model.evaluate(images, labels, verbose=0)
        print(f"Epoch {epoch}/{args.epochs}", flush=True)
        print(f"val_loss: {loss:.4f} - val_accuracy: {accuracy:.4f}", flush=True)


def build():
    model = tf.keras.Sequential([
        tf.keras.layers.InputLayer(input_shape=(8, 8, 1)),
        tf.keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        tf.keras.layers.MaxPooling2D(),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(64, activation="relu"),
        tf.keras.layers.Dense(10),
    ])
    model.compile(
        optimizer=tf.keras.optimizers.Adam(2e-3),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def load(bucket, name):
    path = pathlib.Path(tempfile.mkdtemp()) / "data.npz"
    wait_for(bucket, f"data/{name}.npz")
    bucket.download_file(f"data/{name}.npz", str(path))
    with np.load(path) as data:
        return data["images"], data["labels"]


def wait_for(bucket, key, patience=300):
    """The job that writes the images may still be at work."""
    deadline = time.time() + patience
    while not exists(bucket, key):
        if time.time() > deadline:
            raise SystemExit(f"no s3://{bucket.name}/{key} after {patience} s: does data.py run?")
        time.sleep(1)


def exists(bucket, key):
    try:
        return any(bucket.objects.filter(Prefix=key))
    except bucket.meta.client.exceptions.NoSuchBucket:
        return False


class Checkpoint(tf.keras.callbacks.Callback):
    """Puts the weights into S3 after each epoch; the chief's are everybody's."""

    def __init__(self, bucket, folder, chief):
        super().__init__()
        self.bucket, self.folder, self.chief = bucket, folder, chief

    def on_epoch_end(self, epoch, logs=None):
        if not self.chief:
            return
        path = self.folder / "weights.npz"
        np.savez(path, *self.model.get_weights())
        self.bucket.upload_file(str(path), f"checkpoints/{epoch + 1}.npz")
        # Written last: a checkpoint that it names is whole.
        mark(self.bucket, epoch + 1)


def mark(bucket, epoch, finished=False):
    """Says which checkpoint is the newest, and whether its training is over."""
    put_json(bucket, "checkpoints/latest.json", {"epoch": epoch, "finished": finished, "written": time.time()})


def checkpoint(bucket):
    """The newest checkpoint; that of epoch 0 is none."""
    return {"epoch": 0, "finished": False} | get_json(bucket, "checkpoints/latest.json", {})


def restore(model, bucket, folder, epoch):
    path = folder / "restored.npz"
    bucket.download_file(f"checkpoints/{epoch}.npz", str(path))
    with np.load(path) as weights:
        model.set_weights([weights[name] for name in weights.files])


def put_json(bucket, key, value):
    bucket.put_object(Key=key, Body=json.dumps(value).encode())


def get_json(bucket, key, default):
    errors = bucket.meta.client.exceptions
    try:
        return json.loads(bucket.Object(key).get()["Body"].read())
    except (errors.NoSuchKey, errors.NoSuchBucket):
        return default


if __name__ == "__main__":
    main()
