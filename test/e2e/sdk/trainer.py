"""Stories of the published kubeflow, each a function that is run by its name: python trainer.py STORY FOLDER [NAMESPACE].

FOLDER is one that pods can mount. Without a NAMESPACE the client finds its own.
"""

import json
import os
import sys
import time

from kubeflow.common.types import KubernetesBackendConfig
from kubeflow.trainer import (
    BuiltinTrainer,
    CustomTrainer,
    CustomTrainerContainer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    S3DatasetInitializer,
    TorchTuneConfig,
    TorchTuneInstructDataset,
    TrainerClient,
)
from kubeflow.trainer.types import types

FOLDER = sys.argv[2]
CLIENT = TrainerClient(KubernetesBackendConfig(namespace=sys.argv[3]) if len(sys.argv) > 3 else None)
INDEXES = [os.environ["PIP_INDEX_URL"]] if os.environ.get("PIP_INDEX_URL") else types.CustomTrainer(func=print).pip_index_urls


def train(epochs, folder):
    """Trains until somebody has seen it run."""
    import os
    import time

    import colorama

    print(os.environ["GREETING"], "with colorama", colorama.__version__, flush=True)
    while not os.path.exists(folder + "/seen"):
        time.sleep(0.1)
    for epoch in range(epochs):
        print("loss", 1 / (epoch + 1), flush=True)


def eventually(fact, what):
    deadline = time.time() + 120
    while not fact():
        assert time.time() < deadline, f"after two minutes it is still not so that {what}"
        time.sleep(0.2)


def life():
    """A TrainJob made of a function, with all that can be asked of it, to its end."""
    name = CLIENT.train(
        runtime=CLIENT.get_runtime("meeting"),
        trainer=CustomTrainer(
            func=train,
            func_args={"epochs": 3, "folder": FOLDER},
            packages_to_install=["colorama"],
            pip_index_urls=INDEXES,
            num_nodes=2,
            resources_per_node={"memory": "256Mi", "cpu": "100m"},
            env={"GREETING": "hello"},
        ),
    )
    job = CLIENT.wait_for_job_status(name, status={"Running"}, timeout=240, polling_interval=1)
    assert job.num_nodes == 2 and job.runtime.name == "meeting", job
    assert sorted(s.name for s in job.steps) == ["node-0", "node-1"], job.steps
    assert name in [j.name for j in CLIENT.list_jobs()]

    for node in ("node-0", "node-1"):
        eventually(lambda: any("hello with colorama" in line for line in CLIENT.get_job_logs(name, step=node)), f"{node} has said hello")
    following = CLIENT.get_job_logs(name, follow=True)
    open(os.path.join(FOLDER, "seen"), "w").close()
    lines = list(following)
    assert lines[-1] == "loss 0.3333333333333333", lines

    seen = []
    done = CLIENT.wait_for_job_status(name, timeout=120, polling_interval=1, callbacks=[seen.append])
    assert done.status == "Complete" and seen, done
    assert any(e.involved_object_kind == "Pod" for e in CLIENT.get_job_events(name))
    CLIENT.delete_job(name)
    eventually(lambda: name not in [j.name for j in CLIENT.list_jobs()], "the job is gone")


def fail():
    raise SystemExit("no more")


def trouble():
    """A TrainJob that fails says so; one by a runtime that is not there is refused."""
    name = CLIENT.train(runtime="once", trainer=CustomTrainer(func=fail))
    try:
        CLIENT.wait_for_job_status(name, timeout=240, polling_interval=1)
    except RuntimeError as e:
        assert str(e) == f"TrainJob {name} is Failed", e
    else:
        raise AssertionError("it has not failed")
    assert any("no more" in line for line in CLIENT.get_job_logs(name))
    try:
        CLIENT.train(runtime="nowhere", trainer=CustomTrainer(func=fail))
    except RuntimeError as e:
        assert "nowhere" in str(e), e
    else:
        raise AssertionError("it was taken")


def runtimes():
    """The runtimes that come with weir, as the client sees them."""
    there = {r.name: r for r in CLIENT.list_runtimes()}
    for name, framework, command in (
        ("torch-distributed", "torch", "torchrun"),
        ("jax-distributed", "jax", "python"),
        ("xgboost-distributed", "xgboost", "python"),
        ("tensorflow-distributed", "tensorflow", "python"),
        ("paddle-distributed", "paddle", "python"),
        ("deepspeed-distributed", "deepspeed", "mpirun"),
        ("mpi-distributed", "mpi", "mpirun"),
    ):
        trainer = there[name].trainer
        assert trainer.framework == framework and command in " ".join(trainer.command), trainer
    packages = CLIENT.get_runtime("meeting")
    CLIENT.get_runtime_packages(packages)


def pi():
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    n = 10 ** 5
    part = sum(4 / (1 + ((i + 0.5) / n) ** 2) for i in range(world.rank, n, world.size)) / n
    total = world.allreduce(part)
    if world.rank == 0:
        print("pi is", round(total, 6), "by", world.size, flush=True)


def mpi():
    """A function that mpirun starts on two nodes: by weir's runtime as root, by upstream's as another user."""
    trainer = CustomTrainer(func=pi, num_nodes=2)
    for name in [CLIENT.train(runtime=runtime, trainer=trainer) for runtime in ("mpi-distributed", "upstreams-mpi")]:
        CLIENT.wait_for_job_status(name, timeout=280, polling_interval=1)
        assert "pi is 3.141593 by 2" in list(CLIENT.get_job_logs(name)), list(CLIENT.get_job_logs(name))


def initializer():
    """A dataset out of S3, before the training and by other keys than the namespace's."""
    with open(os.path.join(FOLDER, "s3.json")) as file:
        store = json.load(file)
    name = CLIENT.train(
        runtime="xgboost-distributed",
        initializer=Initializer(dataset=S3DatasetInitializer(storage_uri="s3://trainer-sdk/set", **store)),
        trainer=CustomTrainerContainer(image="weir.local/reader"),
    )
    job = CLIENT.wait_for_job_status(name, timeout=300, polling_interval=1)
    assert {s.name for s in job.steps} == {"dataset-initializer", "node-0"}, job.steps
    assert any("dataset is in /workspace/dataset" in line for line in CLIENT.get_job_logs(name, step="dataset-initializer"))
    assert list(CLIENT.get_job_logs(name)) == ["1 2 3"]


def tune():
    """A model tuned by the trainer that the client brings, with what it fetches from a hub first."""
    name = CLIENT.train(
        runtime="torchtune-llama3.2-1b",
        initializer=Initializer(
            dataset=HuggingFaceDatasetInitializer(storage_uri="hf://ada/digits/data"),
            model=HuggingFaceModelInitializer(storage_uri="hf://ada/net", access_token="let-me-in"),
        ),
        trainer=BuiltinTrainer(
            config=TorchTuneConfig(
                batch_size=4,
                epochs=2,
                peft_config=types.LoraConfig(lora_rank=8),
                dataset_preprocess_config=TorchTuneInstructDataset(source=types.DataFormat.PARQUET),
                resources_per_node={"cpu": "100m"},
            )
        ),
    )
    job = CLIENT.wait_for_job_status(name, timeout=300, polling_interval=1)
    assert {s.name for s in job.steps} == {"dataset-initializer", "model-initializer", "node-0"}, job.steps
    said = list(CLIENT.get_job_logs(name))
    places = "output_dir=/workspace/output tokenizer.path=/workspace/model/tokenizer.model checkpointer.checkpoint_dir=/workspace/model"
    assert said[0].startswith(f"tune run lora_finetune_single_device --config llama3_2/1B_lora_single_device {places} batch_size=4 epochs=2"), said
    for setting in ("dataset.data_dir=/workspace/dataset/data", "model.lora_rank=8", "model.lora_attn_modules=[q_proj,v_proj,output_proj]", "dataset.source=parquet"):
        assert setting in said[0], (setting, said)
    assert said[1:] == ["1 2 3", "weights"], said


def report():
    """Says how far it is by the client's own means."""
    from kubeflow.trainer.backends.kubernetes.utils import update_trainjob_status

    assert update_trainjob_status(progress_percent=75, estimated_remaining_seconds=9, metrics={"loss": 0.5})


globals()[sys.argv[1]]()
