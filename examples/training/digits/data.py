"""Put scikit-learn's digits into S3: 1,797 real images, 8 by 8 pixels each.

One in five is kept from training, to test on.
"""

import argparse
import io

import boto3
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bucket", default="digits")
    args = parser.parse_args()

    digits = load_digits()
    images = (digits.images / 16).astype("float32")[..., None]
    labels = digits.target.astype("int64")
    parts = train_test_split(images, labels, test_size=0.2, random_state=1, stratify=labels)

    bucket = boto3.resource("s3").create_bucket(Bucket=args.bucket)
    for name, part_images, part_labels in (("train", parts[0], parts[2]), ("test", parts[1], parts[3])):
        data = io.BytesIO()
        np.savez(data, images=part_images, labels=part_labels)
        bucket.put_object(Key=f"data/{name}.npz", Body=data.getvalue())
        print(f"{len(part_labels)} images in s3://{args.bucket}/data/{name}.npz")


if __name__ == "__main__":
    main()
