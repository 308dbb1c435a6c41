"""Stories of the published kubeflow-training, each a function that is run by its name: python training.py STORY FOLDER [NAMESPACE].

FOLDER is one that pods can mount. Without a NAMESPACE the client finds its own.
"""

import contextlib
import io
import os
import sys
import time

from kubeflow.training import (
    KubeflowOrgV1JAXJob,
    KubeflowOrgV1JAXJobSpec,
    KubeflowOrgV1MPIJob,
    KubeflowOrgV1MPIJobSpec,
    KubeflowOrgV1PaddleJob,
    KubeflowOrgV1PaddleJobSpec,
    KubeflowOrgV1PyTorchJob,
    KubeflowOrgV1PyTorchJobSpec,
    KubeflowOrgV1ReplicaSpec,
    KubeflowOrgV1RunPolicy,
    KubeflowOrgV1TFJob,
    KubeflowOrgV1TFJobSpec,
    KubeflowOrgV1XGBoostJob,
    KubeflowOrgV1XGBoostJobSpec,
    TrainingClient,
)
from kubeflow.training.constants import constants
from kubeflow.training.utils import utils
from kubernetes.client import V1HostPathVolumeSource, V1ObjectMeta, V1Volume, V1VolumeMount

FOLDER = sys.argv[2]
NAMESPACE = {"namespace": sys.argv[3]} if len(sys.argv) > 3 else {}
IMAGE = "python:3.11"
MEETING = V1Volume(name="meeting", host_path=V1HostPathVolumeSource(path=FOLDER))
MOUNT = V1VolumeMount(name="meeting", mount_path="/meeting")
INDEX = os.environ.get("PIP_INDEX_URL", constants.DEFAULT_PIP_INDEX_URL)


def train(parameters):
    """Trains until somebody has seen it run."""
    import json
    import os
    import time

    import colorama

    task = json.loads(os.environ["TF_CONFIG"])["task"]
    print(os.environ["GREETING"], task["type"], task["index"], "with colorama", colorama.__version__)
    while not os.path.exists("/meeting/seen"):
        time.sleep(0.1)
    for epoch in range(parameters["epochs"]):
        print("loss", 1 / (epoch + 1))
        time.sleep(0.5)


def refused(message, call, *args, **kwargs):
    """Expects a call to fail with a message."""
    try:
        call(*args, **kwargs)
    except (RuntimeError, ValueError) as e:
        assert message in str(e), f"{call.__name__} says {e}"
    else:
        raise AssertionError(f"{call.__name__} has taken it")


def eventually(fact, what):
    deadline = time.time() + 120
    while not fact():
        assert time.time() < deadline, f"after two minutes it is still not so that {what}"
        time.sleep(0.2)


def life():
    """A TFJob made of a function, with all that can be asked of it, to its end."""
    client = TrainingClient(job_kind="TFJob", **NAMESPACE)
    client.create_job(
        name="life",
        base_image=IMAGE,
        train_func=train,
        parameters={"epochs": 3},
        num_chief_replicas=1,
        num_workers=1,
        packages_to_install=["colorama"],
        pip_index_url=INDEX,
        env_vars={"GREETING": "hello from"},
        resources_per_worker={"memory": "512Mi"},
        labels={"story": "life"},
        annotations={"why": "to see it"},
        volumes=[MEETING],
        volume_mounts=[MOUNT],
    )
    refused("AlreadyExists", client.create_job, name="life", base_image=IMAGE, train_func=train)

    seen = []
    job = client.wait_for_job_conditions(
        "life", expected_conditions={"Running"}, wait_timeout=240, polling_interval=1, callback=seen.append
    )
    assert seen[-1] is job
    assert job.metadata.labels == {"story": "life"} and job.metadata.annotations == {"why": "to see it"}
    assert client.is_job_created("life") and client.is_job_running("life")
    assert not (client.is_job_restarting("life") or client.is_job_succeeded("life") or client.is_job_failed("life"))
    assert [j.metadata.name for j in client.list_jobs()] == ["life"]

    assert sorted(client.get_job_pod_names("life")) == ["life-chief-0", "life-worker-0"]
    assert client.get_job_pod_names("life", is_master=True) == ["life-chief-0"]
    assert client.get_job_pod_names("life", replica_type="worker", replica_index=0) == ["life-worker-0"]
    assert [p.status.phase for p in client.get_job_pods("life")] == ["Running"] * 2

    job.spec.tf_replica_specs["Worker"].replicas = 2
    job.metadata.resource_version = None
    client.update_job(job, "life")
    eventually(lambda: "life-worker-1" in client.get_job_pod_names("life"), "there is a second worker")
    eventually(
        lambda: {p.status.phase for p in client.get_job_pods("life")} == {"Running"}, "the second worker runs"
    )

    with open(os.path.join(FOLDER, "seen"), "w"):
        pass
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        logs, _ = client.get_job_logs("life", follow=True)
    assert "hello from chief 0 with colorama" in logs["life-chief-0"], logs
    assert "[Pod life-chief-0]: loss 0.3333333333333333" in printed.getvalue(), printed.getvalue()

    job = client.wait_for_job_conditions("life", wait_timeout=120, polling_interval=1)
    assert client.is_job_succeeded(job=job) and not client.is_job_running(job=job)
    assert job.status.completion_time >= job.status.start_time
    assert [c.type for c in client.get_job_conditions("life")] == ["Created", "Running", "Succeeded"]
    eventually(
        lambda: "hello from worker 1" in client.get_job_logs("life", replica_type="worker", replica_index=1, is_master=False)[0]["life-worker-1"],
        "the second worker, which came late, has said its word",
    )
    logs, events = client.get_job_logs("life", is_master=False, verbose=True)
    assert sorted(logs) == ["life-chief-0", "life-worker-0", "life-worker-1"], logs
    assert any("Created pod: life-worker-1" in e for e in events["tfjob/life"]), events
    assert any("Container started" in e for e in events["pod/life-chief-0"]), events

    client.delete_job("life")
    refused("Failed to get TFJob", client.get_job, "life")
    eventually(lambda: client.get_job_pod_names("life") == [], "its pods are gone")


def break_down():
    """Breaks at once."""
    raise ValueError("no data")


def trouble():
    """Jobs that fail, and jobs that nobody takes."""
    client = TrainingClient(job_kind="TFJob", **NAMESPACE)
    client.create_job(name="broken", base_image=IMAGE, train_func=break_down)
    refused("broken is Failed", client.wait_for_job_conditions, "broken", polling_interval=1)
    assert client.is_job_failed("broken")
    client.wait_for_job_conditions("broken", expected_conditions={"Failed"}, polling_interval=1)
    logs, _ = client.get_job_logs("broken")
    assert "ValueError: no data" in logs["broken-worker-0"], logs

    refused("shorten the job's by 9", client.create_job, name="n" * 63, base_image=IMAGE, train_func=break_down)
    refused("AlreadyExists", client.create_job, name="broken", base_image=IMAGE, train_func=break_down)
    refused("NotFound", client.update_job, client.get_job("broken"), "nobody")
    refused("NotFound", client.delete_job, "nobody")


def tell(parameters):
    """Tells what the job has told it, and waits for the other replica, as replicas do."""
    import os
    import socket
    import time

    print({name: os.environ.get(name) for name in parameters["names"]})
    open(f"/meeting/{socket.gethostname()}", "w").close()
    while len([name for name in os.listdir("/meeting") if name.startswith(parameters["job"])]) < 2:
        time.sleep(0.1)


def replica(kind, replicas, *names):
    """A replica that tells some variables of its environment."""
    command, args = utils.get_command_using_train_func(tell, constants.ENTRYPOINT_PYTHON, {"job": kind.lower(), "names": names})
    container = utils.get_container_spec(
        constants.JOB_PARAMETERS[kind]["container"], IMAGE, command, args, volume_mounts=[MOUNT]
    )
    return KubeflowOrgV1ReplicaSpec(
        replicas=replicas, restart_policy="Never", template=utils.get_pod_template_spec([container], volumes=[MEETING])
    )


def kinds():
    """An object of every kind, each as the client's models make it."""
    policy = KubeflowOrgV1RunPolicy(clean_pod_policy="None")
    cases = {
        "TFJob": (
            KubeflowOrgV1TFJob,
            KubeflowOrgV1TFJobSpec(run_policy=policy, tf_replica_specs={"Worker": replica("TFJob", 2, "TF_CONFIG")}),
            {"worker-0": '"task":{"type":"worker","index":0}', "worker-1": '"task":{"type":"worker","index":1}'},
        ),
        "PyTorchJob": (
            KubeflowOrgV1PyTorchJob,
            KubeflowOrgV1PyTorchJobSpec(
                run_policy=policy,
                pytorch_replica_specs={
                    "Master": replica("PyTorchJob", 1, "MASTER_ADDR", "WORLD_SIZE", "RANK"),
                    "Worker": replica("PyTorchJob", 1, "MASTER_ADDR", "WORLD_SIZE", "RANK"),
                },
            ),
            {
                "master-0": "{'MASTER_ADDR': 'pytorchjob-master-0', 'WORLD_SIZE': '2', 'RANK': '0'}",
                "worker-0": "{'MASTER_ADDR': 'pytorchjob-master-0', 'WORLD_SIZE': '2', 'RANK': '1'}",
            },
        ),
        "XGBoostJob": (
            KubeflowOrgV1XGBoostJob,
            KubeflowOrgV1XGBoostJobSpec(
                run_policy=policy,
                xgb_replica_specs={
                    "Master": replica("XGBoostJob", 1, "MASTER_ADDR", "WORLD_SIZE", "RANK"),
                    "Worker": replica("XGBoostJob", 1, "WORKER_ADDRS", "WORLD_SIZE", "RANK"),
                },
            ),
            {
                "master-0": "{'MASTER_ADDR': 'xgboostjob-master-0', 'WORLD_SIZE': '2', 'RANK': '0'}",
                "worker-0": "{'WORKER_ADDRS': 'xgboostjob-worker-0', 'WORLD_SIZE': '2', 'RANK': '1'}",
            },
        ),
        "PaddleJob": (
            KubeflowOrgV1PaddleJob,
            KubeflowOrgV1PaddleJobSpec(
                run_policy=policy,
                paddle_replica_specs={"Worker": replica("PaddleJob", 2, "PADDLE_JOB_ID", "PADDLE_NNODES")},
            ),
            {
                "worker-0": "{'PADDLE_JOB_ID': 'paddlejob', 'PADDLE_NNODES': '2'}",
                "worker-1": "{'PADDLE_JOB_ID': 'paddlejob', 'PADDLE_NNODES': '2'}",
            },
        ),
        "JAXJob": (
            KubeflowOrgV1JAXJob,
            KubeflowOrgV1JAXJobSpec(
                run_policy=policy,
                jax_replica_specs={
                    "Worker": replica("JAXJob", 2, "COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID")
                },
            ),
            {
                "worker-0": "{'COORDINATOR_ADDRESS': 'jaxjob-worker-0', 'NUM_PROCESSES': '2', 'PROCESS_ID': '0'}",
                "worker-1": "{'COORDINATOR_ADDRESS': 'jaxjob-worker-0', 'NUM_PROCESSES': '2', 'PROCESS_ID': '1'}",
            },
        ),
        "MPIJob": (
            KubeflowOrgV1MPIJob,
            KubeflowOrgV1MPIJobSpec(
                run_policy=policy,
                mpi_replica_specs={
                    "Launcher": replica("MPIJob", 1, "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_orte_default_hostfile"),
                    "Worker": replica("MPIJob", 1, "OMPI_MCA_plm_rsh_agent"),
                },
            ),
            {
                "launcher": "{'OMPI_MCA_plm_rsh_agent': '/etc/mpi/kubexec.sh', "
                "'OMPI_MCA_orte_default_hostfile': '/etc/mpi/hostfile'}",
                "worker-0": "{'OMPI_MCA_plm_rsh_agent': None}",
            },
        ),
    }
    client = TrainingClient(**NAMESPACE)
    for kind, (model, spec, _) in cases.items():
        client.create_job(
            model(
                api_version=constants.API_VERSION,
                kind=kind,
                metadata=V1ObjectMeta(name=kind.lower(), namespace=client.namespace),
                spec=spec,
            ),
            namespace=client.namespace,
        )
    for kind, (model, spec, told) in cases.items():
        name = kind.lower()
        job = client.wait_for_job_conditions(name, job_kind=kind, wait_timeout=180, polling_interval=1)
        assert isinstance(job, model)
        assert job.spec == spec, f"sent {spec}, read {job.spec}"
        for pod, words in told.items():
            eventually(
                lambda: words
                in client.get_job_logs(name, job_kind=kind, is_master=False)[0].get(f"{name}-{pod}", ""),
                f"{name}-{pod} says {words}",
            )
        assert [j.metadata.name for j in client.list_jobs(job_kind=kind)] == [name]
        client.delete_job(name, job_kind=kind)
        eventually(lambda: client.list_jobs(job_kind=kind) == [], f"{name} is gone")


def learn(parameters):
    """Learns a line, over all replicas."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=parameters["lr"])
    x = torch.randn(100, 1)
    for step in range(100):
        optimizer.zero_grad()
        loss = ((model(x) - 3 * x) ** 2).mean()
        loss.backward()
        optimizer.step()
    print(f"rank {dist.get_rank()} of {dist.get_world_size()}: slope {model.module.weight.item():.2f}, loss {loss.item():.4f}")
    dist.barrier()


def torchrun():
    """A PyTorchJob made of a function, in the image that the client names, by torchrun."""
    client = TrainingClient(**NAMESPACE)
    client.create_job(name="torch", train_func=learn, parameters={"lr": 0.1}, num_workers=2, num_procs_per_worker=1)
    client.wait_for_job_conditions("torch", wait_timeout=280, polling_interval=1)
    logs, _ = client.get_job_logs("torch", is_master=False)
    for rank, pod in enumerate(["torch-master-0", "torch-worker-0"]):
        assert f"rank {rank} of 2: slope 3.00, loss 0.0000" in logs[pod], logs


def finetune():
    """What the client makes to fine-tune a model: a claim, and a job that first fetches the model and the data."""
    import transformers
    from kubeflow.storage_initializer.hugging_face import (
        HuggingFaceDatasetParams,
        HuggingFaceModelParams,
        HuggingFaceTrainerParams,
    )
    from peft import LoraConfig

    client = TrainingClient(**NAMESPACE)
    client.train(
        name="tuned",
        num_workers=2,
        resources_per_worker={"memory": "4Gi"},
        storage_config={"size": "1Gi", "access_modes": ["ReadWriteOnce"]},
        model_provider_parameters=HuggingFaceModelParams(
            model_uri="hf://google-bert/bert-base-cased",
            transformer_type=transformers.AutoModelForSequenceClassification,
            num_labels=5,
        ),
        dataset_provider_parameters=HuggingFaceDatasetParams(repo_id="yelp_review_full", split="train[:10]"),
        trainer_parameters=HuggingFaceTrainerParams(
            training_parameters=transformers.TrainingArguments(output_dir="out", num_train_epochs=1, use_cpu=True),
            lora_config=LoraConfig(r=8, lora_alpha=8),
        ),
        init_env_vars={"HF_HUB_ETAG_TIMEOUT": "1"},
    )

    def claim():
        return client.core_api.read_namespaced_persistent_volume_claim("tuned", client.namespace)

    eventually(lambda: claim().status.phase == "Bound", "the claim is bound")
    assert claim().status.capacity == {"storage": "1Gi"}, claim().status
    job = client.get_job("tuned")
    master, worker = (job.spec.pytorch_replica_specs[t].template.spec for t in ("Master", "Worker"))
    assert master.containers == worker.containers
    assert master.containers[0].image == constants.TRAINER_TRANSFORMER_IMAGE
    assert master.init_containers[0].image == constants.STORAGE_INITIALIZER_IMAGE
    assert not worker.init_containers
    assert {v.persistent_volume_claim.claim_name for v in master.volumes + worker.volumes} == {"tuned"}

    def fetched():
        try:
            return client.core_api.read_namespaced_pod_log(
                "tuned-master-0", client.namespace, container=constants.STORAGE_INITIALIZER
            )
        except Exception:  # it has not begun
            return ""

    eventually(lambda: "Downloading model" in fetched(), "the model is being fetched")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
