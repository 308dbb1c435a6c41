"""Trains a classifier on scikit-learn's digits, one pass at a time."""

import argparse
import os
import pickle

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--model", default="model")
options = parser.parse_args()

digits = load_digits()
train_x, test_x, train_y, test_y = train_test_split(digits.data / 16, digits.target, random_state=0)
classifier = SGDClassifier(loss="log_loss", random_state=0)
for epoch in range(options.epochs):
    classifier.partial_fit(train_x, train_y, classes=range(10))
    print(f"epoch {epoch + 1}/{options.epochs} - accuracy: {classifier.score(test_x, test_y):.4f}")

os.makedirs(options.model, exist_ok=True)
with open(os.path.join(options.model, "digits.pickle"), "wb") as f:
    pickle.dump(classifier, f)
