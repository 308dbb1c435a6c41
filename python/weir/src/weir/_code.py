"""What a run carries: a function or a file, as a tar that is called by its content."""

from __future__ import annotations

import ast
import datetime
import hashlib
import inspect
import io
import pickle
import tarfile
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore.exceptions

from ._connection import Storage

MAIN = "weir_main.py"
ARGUMENTS = "weir_arguments.pickle"
RESULT = "weir_result.pickle"

# What the pod runs of a function: its source stands before this.
CALL = f"""

if __name__ == "__main__":
    import os as _os, pickle as _pickle
    with open({ARGUMENTS!r}, "rb") as _file:
        _args, _kwargs = _pickle.load(_file)
    _result = %s(*_args, **_kwargs)
    if _os.environ.get("WEIR_OUTPUT"):
        with open(_os.path.join(_os.environ["WEIR_OUTPUT"], {RESULT!r}), "wb") as _file:
            _pickle.dump(_result, _file)
"""


def of_function(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a function: its source with what it uses of its module, and its arguments."""
    try:
        arguments = pickle.dumps((tuple(args), dict(kwargs)))
    except Exception as e:
        raise TypeError(f"the arguments of {function.__name__} cannot be sent to a pod: {e}; pass names of files or plain values") from e
    return {MAIN: (source_of(function) + CALL % function.__name__).encode(), ARGUMENTS: arguments}


def source_of(function: Callable[..., Any]) -> str:
    """The source of a function, after the imports, plain values and functions of its module that it uses."""
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        raise TypeError(f"{function!r} is not a function that is written with def: wrap it in one")
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise ValueError(f"{function.__name__} uses {names} of the function around it, which do not go along: pass them as arguments")
    parts: dict[str, str] = {}
    _collect(function, parts)
    return "\n".join(sorted(p for p in parts.values() if p.startswith("import ")) + [p for p in parts.values() if not p.startswith("import ")])


def _collect(function: types.FunctionType, parts: dict[str, str]) -> None:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as e:
        raise ValueError(f"the source of {function.__name__} is not to be found: write it in a file or a notebook's cell") from e
    parts[function.__name__] = ""  # so that functions may call each other
    for name in _names(source):
        if name in parts or name not in function.__globals__:
            continue
        value = function.__globals__[name]
        if isinstance(value, types.ModuleType):
            parts[name] = f"import {value.__name__} as {name}"
        elif isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
            _collect(value, parts)
        elif getattr(value, "__module__", None) and getattr(value, "__name__", None) and value.__module__ not in ("__main__", function.__module__):
            parts[name] = f"from {value.__module__} import {value.__name__} as {name}"
        elif isinstance(value, (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set)):
            parts[name] = f"{name} = {value!r}"
            try:
                ast.literal_eval(repr(value))
            except ValueError:
                raise ValueError(f"{function.__name__} uses {name}, which is no plain value: pass it as an argument, or make it in the function") from None
        else:
            raise ValueError(f"{function.__name__} uses {name}, a {type(value).__name__}, which does not go along: make it in the function")
    del parts[function.__name__]
    parts[function.__name__] = source  # after what it uses


def _names(source: str) -> list[str]:
    """The names that a source reads, in the order of their appearance."""
    found = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return list(dict.fromkeys(found))


def of_file(script: Path, more: Iterable[str]) -> dict[str, bytes]:
    """The files of a script: the Python files of its folder, and more that are named or matched."""
    folder = script.resolve().parent
    files = {
        f.relative_to(folder).as_posix(): f.read_bytes()
        for f in sorted(folder.rglob("*.py"))
        if not any(part.startswith(".") or part in ("node_modules", "site-packages") for part in f.relative_to(folder).parts)
    }
    for pattern in more:
        found = [f for f in sorted(folder.glob(pattern)) if f.is_file()]
        if not found:
            raise FileNotFoundError(f"files: {pattern!r} matches nothing in {folder}")
        files.update({f.relative_to(folder).as_posix(): f.read_bytes() for f in found})
    return files


def pack(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A tar of files, and what it is called."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    data = out.getvalue()
    return hashlib.sha256(data).hexdigest() + ".tar", data


def put(s3: Storage, key: str, data: bytes) -> str:
    """Carries a tar to S3 unless it is there, and returns its address."""
    if not _stays(s3, key):
        make_bucket(s3.client, s3.code)
        s3.client.put_object(Bucket=s3.code, Key=key, Body=data)
    return f"s3://{s3.code}/{key}"


def _stays(s3: Storage, key: str) -> bool:
    """Whether a tar is there, and young enough not to be removed before a job names it."""
    try:
        there = s3.client.head_object(Bucket=s3.code, Key=key)
    except botocore.exceptions.ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return False
    age = datetime.datetime.now(datetime.timezone.utc) - there["LastModified"]
    return bool(age < datetime.timedelta(days=15))


def make_bucket(s3: Any, name: str) -> None:
    """Makes a bucket if there is none of its name."""
    try:
        s3.create_bucket(Bucket=name)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
