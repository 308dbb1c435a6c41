"""Runs functions and files as jobs on a cluster, without an image.

    import weir

    def train(epochs, lr=0.1):
        import numpy
        print("learning", epochs, lr)
        return {"accuracy": 0.97}

    run = weir.run(train, args=(5,), packages=["numpy"])
    print(run.result())

It talks to the weir that runs on this machine, to the cluster of a kubeconfig, in
a pod to its own cluster, or to the weir whose front door connect names.
"""

from ._connection import connect
from ._run import Run, RunFailed, run

__all__ = ["Run", "RunFailed", "connect", "run"]
