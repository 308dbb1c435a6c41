"""Train a digit classifier with parameter servers, the way TensorFlow 2 does it.

The variables lie on the parameter servers. The chief hands steps to the workers,
each of which reads the variables, computes and writes back when it is ready, so
a slow worker holds nobody up.
"""

import argparse
import os

import tensorflow as tf


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="steps in an epoch")
    args = parser.parse_args()

    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if cluster.task_type in ("worker", "ps"):
        serve(cluster)
    else:
        coordinate(cluster, args)


def serve(cluster):
    """Does what the chief asks, and never ends by itself."""
    server = tf.distribute.Server(cluster.cluster_spec(), job_name=cluster.task_type, task_index=cluster.task_id)
    print(f"{cluster.task_type} {cluster.task_id} serves on {server.target}", flush=True)
    server.join()


def coordinate(cluster, args):
    strategy = tf.distribute.ParameterServerStrategy(cluster)
    with strategy.scope():
        model = tf.keras.Sequential([
            tf.keras.layers.InputLayer(input_shape=(64,)),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10),
        ])
        model.compile(
            optimizer=tf.keras.optimizers.Adam(3e-3),
            loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )

    # Each worker makes a data set of its own, of all images in its own order.
    model.fit(
        tf.keras.utils.experimental.DatasetCreator(lambda _: digits("train").shuffle(2000).repeat().batch(32)),
        epochs=args.epochs,
        steps_per_epoch=args.steps,
        verbose=2,
    )
    _, accuracy = model.evaluate(
        tf.keras.utils.experimental.DatasetCreator(lambda _: digits("test").repeat().batch(36)), steps=10, verbose=0
    )
    print(f"held-out accuracy: {accuracy:.4f}", flush=True)
    # Threads that talk to the servers would keep the chief from ending.
    os._exit(0)


def digits(part):
    # The servers need none of this, and start sooner without it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images.astype("float32") / 16, labels, test_size=0.2, random_state=1, stratify=labels
    )
    if part == "train":
        return tf.data.Dataset.from_tensor_slices((train_images, train_labels))
    return tf.data.Dataset.from_tensor_slices((test_images, test_labels))


if __name__ == "__main__":
    main()
