"""Stories of weir's own client, each a function that is run by its name: python weir_client.py STORY NAMESPACE SOURCES."""

import contextlib
import io
import json as words
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, sys.argv[3])

import weir  # noqa: E402
from weir import _code  # noqa: E402

NAMESPACE = sys.argv[2]
FACTOR = 3
OPENED = io.StringIO()


def scale(x):
    return x * FACTOR


def train(n, lr=0.1):
    import colorama

    print("learning", n, lr, colorama.__version__, words.dumps([os.environ.get("LEVEL")]))
    return {"n": scale(n), "lr": lr}


def fails(code):
    raise SystemExit(code)


def uses_a_file():
    return OPENED.read()


def shown(what, **options):
    """Runs, and returns the run with what was shown."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run = weir.run(what, namespace=NAMESPACE, **options)
    return run, out.getvalue()


def function():
    run, out = shown(train, args=(5,), kwargs={"lr": 0.5}, packages=["colorama==0.4.6"], env={"LEVEL": "7"})
    assert 'learning 5 0.5 0.4.6 ["7"]' in out, out
    assert run.result() == {"n": 15, "lr": 0.5}, run.result()
    assert run.status() == "Succeeded", run.status()
    assert "learning" in run.logs(), run.logs()
    run.stop()


def several():
    run, out = shown(train, args=(2,), packages=["colorama==0.4.6"], framework="tensorflow", workers=2)
    for replica in ("worker-0", "worker-1"):
        assert f"{replica} | learning 2 0.1 0.4.6" in out, out
    assert sorted(run.outputs()) == ["worker-0/weir_result.pickle", "worker-1/weir_result.pickle"], run.outputs()
    assert run.result() == {"n": 6, "lr": 0.1}, run.result()


def file():
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "helper.py").write_text("name = 'helper'\n")
    (folder / "a.csv").write_text("one")
    (folder / "left.csv").write_text("two")
    (folder / "train.py").write_text(
        "import helper, os, sys\nprint(helper.name, sys.argv[1:], sorted(f for f in os.listdir('.') if f[0] != '_'))\nos.makedirs('out', exist_ok=True)\nopen('out/model', 'w').write('weights')\n"
    )
    run, out = shown(folder / "train.py", args=["--epochs", 3], files=["a.*"], output="out")
    assert "helper ['--epochs', '3'] ['a.csv', 'helper.py', 'train.py']" in out, out
    back = pathlib.Path(tempfile.mkdtemp())
    assert run.outputs(back) == ["model"] and (back / "model").read_text() == "weights"


def notebook():
    """In a cell of a notebook, what a run prints shows while it runs."""
    import nbclient
    import nbformat
    from weir import _connection

    s3 = _connection.storage(NAMESPACE).client
    s3.create_bucket(Bucket=NAMESPACE)

    class Watched(nbclient.NotebookClient):
        """Lets the run end once its first line is in the cell."""

        def process_message(self, msg, cell, cell_index):
            result = super().process_message(msg, cell, cell_index)
            if any("epoch 0" in o.get("text", "") for o in cell.outputs):
                s3.put_object(Bucket=NAMESPACE, Key="seen", Body=b"")
            return result

    cell = f"""
import sys

sys.path.insert(0, {sys.argv[3]!r})
import weir

def train(bucket):
    import time

    import boto3

    print("epoch 0")
    s3 = boto3.client("s3")
    end = time.monotonic() + 120
    while not s3.list_objects_v2(Bucket=bucket).get("KeyCount"):
        if time.monotonic() > end:
            raise SystemExit("nobody has seen what was printed")
        time.sleep(0.1)
    print("epoch 1")
    return 42

weir.run(train, args=({NAMESPACE!r},), namespace={NAMESPACE!r}, packages=["boto3>=1.28"]).result()
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    Watched(book, timeout=300, kernel_name="python3").execute()
    outputs = book.cells[0].outputs
    text = "".join(o.get("text", "") for o in outputs)
    assert "epoch 0\nepoch 1\n" in text, outputs
    assert outputs[-1]["data"]["text/plain"] == "42", outputs


def failure():
    try:
        shown(fails, args=(9,))
    except weir.RunFailed as e:
        assert e.exit_code == 9 and "ended with exit code 9" in str(e), e
    else:
        raise AssertionError("it has not failed")


def refused():
    """What cannot be run is refused here, before anything is created."""
    local = 5

    def inner():
        return local

    cases = [
        (lambda: shown(inner), "uses local of the function around it"),
        (lambda: shown(uses_a_file), "uses OPENED, a StringIO"),
        (lambda: shown(lambda: 1), "not a function that is written with def"),
        (lambda: shown(train, args=(open(os.devnull),)), "cannot be sent to a pod"),
        (lambda: shown(train, workers=2), "say what trains together"),
        (lambda: shown(train, framework="caffe"), "framework 'caffe': there is jax, mpi, paddle, pytorch, tensorflow, xgboost"),
        (lambda: shown("train.py", kwargs={"a": 1}), "kwargs are for functions"),
    ]
    for what, why in cases:
        try:
            what()
        except (TypeError, ValueError) as e:
            assert why in str(e), f"{e}, want: {why}"
        else:
            raise AssertionError(f"nothing is refused because it {why}")
    files = {"b.py": b"2", "a.py": b"1"}
    assert _code.pack(files) == _code.pack(dict(sorted(files.items()))), "the same files are two tars"


globals()[sys.argv[1]]()
