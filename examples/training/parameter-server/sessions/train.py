"""Train a digit classifier with parameter servers, the way TensorFlow 1 did it.

Every worker builds the same graph, whose variables are put on the parameter
servers in turn, and runs its own session on it. Programs of before 2019 look
like this, and go on working.
"""

import argparse
import json
import os

import tensorflow.compat.v1 as tf


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600, help="steps of all workers together")
    args = parser.parse_args()

    config = json.loads(os.environ["TF_CONFIG"])
    role, index = config["task"]["type"], config["task"]["index"]
    cluster = tf.train.ClusterSpec(config["cluster"])
    server = tf.train.Server(cluster, job_name=role, task_index=index)
    if role == "ps":
        print(f"ps {index} serves on {server.target}", flush=True)
        server.join()  # never ends by itself
    else:
        work(cluster, server, index, args.steps)


def work(cluster, server, index, steps):
    # The servers need none of this, and start sooner without it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    tf.disable_eager_execution()
    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images.astype("float32") / 16, labels, test_size=0.2, random_state=1, stratify=labels
    )

    with tf.device(tf.train.replica_device_setter(worker_device=f"/job:worker/task:{index}", cluster=cluster)):
        step = tf.train.get_or_create_global_step()
        x = tf.placeholder(tf.float32, [None, 64])
        y = tf.placeholder(tf.int64, [None])
        logits = dense(tf.nn.relu(dense(x, 64, 64, "hidden")), 64, 10, "logits")
        loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
        train = tf.train.AdamOptimizer(3e-3).minimize(loss, global_step=step)

    # A worker talks to the parameter servers, not to other workers: it neither
    # waits for one that comes late nor minds one that is done.
    alone = tf.ConfigProto(device_filters=["/job:ps", f"/job:worker/task:{index}"])
    batches = tf.data.Dataset.from_tensor_slices((train_images, train_labels)).shuffle(2000, seed=index).repeat().batch(32)
    batch = tf.data.make_one_shot_iterator(batches).get_next()
    with tf.train.MonitoredTrainingSession(master=server.target, is_chief=index == 0, config=alone) as session:
        done, shown = 0, 0
        while done < steps:
            batch_images, batch_labels = session.run(batch)
            _, done, cost, right = session.run([train, step, loss, accuracy], {x: batch_images, y: batch_labels})
            if done >= shown + 100:
                shown = done
                print(f"step {done}/{steps} - loss: {cost:.4f} - accuracy: {right:.4f}", flush=True)
        if index == 0:
            right = session.run(accuracy, {x: test_images, y: test_labels})
            print(f"held-out accuracy: {right:.4f}", flush=True)


def dense(x, inputs, outputs, name):
    weights = tf.get_variable(name + "_weights", [inputs, outputs], initializer=tf.glorot_uniform_initializer())
    bias = tf.get_variable(name + "_bias", [outputs], initializer=tf.zeros_initializer())
    return tf.matmul(x, weights) + bias


if __name__ == "__main__":
    main()
