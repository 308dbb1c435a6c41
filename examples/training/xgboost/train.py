"""Grow trees that tell handwritten digits apart, over several machines.

Every replica runs this file on its share of the images. The master has the
tracker that all of them meet at; the trees they grow are the same.
"""

import os
import socket
import tempfile
import time

import boto3
import numpy as np
import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
PORT = int(os.environ["MASTER_PORT"])


def main():
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(digits.data, digits.target, test_size=0.2, random_state=1, stratify=digits.target)
    tracker = None
    if RANK == 0:
        tracker = RabitTracker(n_workers=WORLD, host_ip=address(socket.gethostname()), port=PORT, sortby="task")
        tracker.start()

    master = address(os.environ["MASTER_ADDR"])
    with CommunicatorContext(dmlc_tracker_uri=master, dmlc_tracker_port=PORT, dmlc_task_id=str(RANK), dmlc_retry=30):
        share = xgboost.DMatrix(x[RANK::WORLD], y[RANK::WORLD])
        settings = {"objective": "multi:softprob", "num_class": 10, "max_depth": 4, "eta": 0.3, "nthread": 1}
        trees = xgboost.train(settings, share, num_boost_round=20, evals=[(share, "train")], verbose_eval=RANK == 0)
    if RANK != 0:
        return
    tracker.wait_for()
    accuracy = np.mean(trees.predict(xgboost.DMatrix(x_test)).argmax(axis=1) == y_test)
    with tempfile.TemporaryDirectory() as folder:
        trees.save_model(f"{folder}/model.json")
        boto3.resource("s3").create_bucket(Bucket="xgboost").upload_file(f"{folder}/model.json", "digits/model.json")
    print("model: s3://xgboost/digits/model.json")
    print(f"accuracy {accuracy:.4f}", flush=True)


def address(host, patience=120):
    """The address of a host, whose name may not be known yet."""
    deadline = time.time() + patience
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            if time.time() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main()
