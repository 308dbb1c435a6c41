"""Grow trees that tell handwritten digits apart, over several machines.

Every replica runs this file on its share of the images. LightGBM wants a list of
all machines, and finds itself in it by its address.
"""

import os
import tempfile
import time
from socket import gethostbyname

import boto3
import lightgbm
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
PORT = int(os.environ["MASTER_PORT"])


def main():
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(digits.data, digits.target, test_size=0.2, random_state=1, stratify=digits.target)
    hosts = [os.environ["MASTER_ADDR"], *os.environ["WORKER_ADDRS"].split(",")]
    share = lightgbm.Dataset(x[RANK::WORLD], y[RANK::WORLD])
    settings = {
        "objective": "multiclass",
        "num_class": 10,
        "num_leaves": 15,
        "num_threads": 1,
        "verbosity": -1,
        "tree_learner": "data",
        "pre_partition": True,
        "num_machines": WORLD,
        "machines": ",".join(f"{address(host)}:{PORT}" for host in hosts),
        "local_listen_port": PORT,
    }
    says = [lightgbm.log_evaluation()] if RANK == 0 else []
    trees = lightgbm.train(settings, share, num_boost_round=20, valid_sets=[share], callbacks=says)
    if RANK != 0:
        return
    accuracy = np.mean(trees.predict(x_test).argmax(axis=1) == y_test)
    with tempfile.TemporaryDirectory() as folder:
        trees.save_model(f"{folder}/model.txt")
        boto3.resource("s3").create_bucket(Bucket="lightgbm").upload_file(f"{folder}/model.txt", "digits/model.txt")
    print("model: s3://lightgbm/digits/model.txt")
    print(f"accuracy {accuracy:.4f}", flush=True)


def address(host, patience=120):
    """The address of a host, whose name may not be known yet."""
    deadline = time.time() + patience
    while True:
        try:
            return gethostbyname(host)
        except OSError:
            if time.time() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main()
