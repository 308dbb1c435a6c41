"""Load the trained model from S3 and name some digits with it."""

import argparse
import tempfile

import boto3
import numpy as np
import tensorflow as tf


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", default="digits")
    parser.add_argument("--count", type=int, default=10)
    args = parser.parse_args()

    bucket = boto3.resource("s3").Bucket(args.bucket)
    folder = tempfile.mkdtemp()
    bucket.download_file("model/model.keras", f"{folder}/model.keras")
    bucket.download_file("data/test.npz", f"{folder}/test.npz")

    model = tf.keras.models.load_model(f"{folder}/model.keras")
    with np.load(f"{folder}/test.npz") as data:
        images, labels = data["images"], data["labels"]
    guesses = np.argmax(model.predict(images, verbose=0), axis=1)
    print("digits: ", *labels[: args.count])
    print("guesses:", *guesses[: args.count])
    print(f"accuracy: {np.mean(guesses == labels):.4f} of {len(labels)} images")


if __name__ == "__main__":
    main()
