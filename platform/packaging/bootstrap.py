# Runs in a pod of weir run: fetches code and data from S3, installs packages that
# the image has not, runs the command, and puts what it leaves behind into S3.
import datetime, hashlib, hmac, http.client, json, os, subprocess, sys, tarfile, time, urllib.parse

BLOCK = 1 << 20
EMPTY = hashlib.sha256(b"").hexdigest()


def fail(text):
    print("weir: " + text, file=sys.stderr, flush=True)
    sys.exit(125)


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def ask(method, bucket, key="", query="", body=None, length=0, digest=EMPTY):
    """Sends a request to S3, signed by the keys in the environment."""
    env = os.environ
    if "AWS_ACCESS_KEY_ID" not in env:
        fail("no keys of S3: the pod needs AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL, as from a Secret named weir-s3")
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
    url = urllib.parse.urlsplit(env.get("AWS_ENDPOINT_URL") or "https://s3.%s.amazonaws.com" % region)
    path = url.path.rstrip("/") + "/" + urllib.parse.quote(bucket + ("/" + key if key else ""), safe="/-_.~")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": url.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
    if env.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = env["AWS_SESSION_TOKEN"]
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, query] + ["%s:%s" % (n, headers[n]) for n in sorted(headers)] + ["", names, digest])
    scope = "/".join([now[:8], region, "s3", "aws4_request"])
    signed = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret = ("AWS4" + env["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        secret = sign(secret, part)
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        env["AWS_ACCESS_KEY_ID"], scope, names, sign(secret, signed).hex())
    if body is not None:
        headers["content-length"] = str(length)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=60)
    connection.request(method, path + ("?" + query if query else ""), body=body, headers=headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise OSError("S3 answers %d to %s %s/%s: %s" % (answer.status, method, bucket, key, answer.read(300).decode("utf-8", "replace")))
    return answer


def trying(what):
    """Tries again what fails for want of a connection."""
    for attempt in range(5):
        try:
            return what()
        except (OSError, http.client.HTTPException) as e:
            if attempt == 4 or " answers 4" in str(e):
                fail(str(e))
            time.sleep(0.2 * 3 ** attempt)


def split(address):
    bucket, _, key = address[len("s3://"):].partition("/")
    return bucket, key


def fetch(address, to, digest=None):
    """Fetches an object into a file, and checks it."""
    def once():
        answer, found = ask("GET", *split(address)), hashlib.sha256()
        with open(to, "wb") as f:
            for block in iter(lambda: answer.read(BLOCK), b""):
                found.update(block)
                f.write(block)
        if digest and found.hexdigest() != digest:
            raise OSError("%s is damaged: its digest is %s" % (address, found.hexdigest()))
    trying(once)


def unpack(address, folder):
    """Unpacks a tar that is called by its digest, and what it names beside it."""
    os.makedirs(folder, exist_ok=True)
    name = os.path.join(folder, ".weir.tar")
    fetch(address, name, address.rsplit("/", 1)[1].split(".")[0])
    with tarfile.open(name) as tar:
        for member in tar:
            at = os.path.normpath(member.name)
            if at.startswith("/") or at.split("/")[0] == "..":
                fail("%s holds %s, which leads out of it" % (address, member.name))
            if hasattr(tarfile, "fully_trusted_filter"):
                tar.extract(member, folder, filter="fully_trusted")
            else:
                tar.extract(member, folder)
    os.remove(name)
    beside = os.path.join(folder, ".weir-large")
    if os.path.exists(beside):
        bucket = split(address)[0]
        with open(beside, encoding="utf-8") as f:
            lines = f.read().splitlines()
        os.remove(beside)
        for line in lines:
            digest, mode, name = line.split(" ", 2)
            to = os.path.join(folder, name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            fetch("s3://%s/%s" % (bucket, digest), to, digest)
            os.chmod(to, int(mode, 8))


def below(address):
    """Lists the keys of all objects whose address begins so."""
    import xml.etree.ElementTree as xml
    bucket, prefix = split(address)
    token = ""
    while True:
        query = {"list-type": "2", "prefix": prefix}
        if token:
            query["continuation-token"] = token
        query = "&".join("%s=%s" % (k, urllib.parse.quote(query[k], safe="-_.~")) for k in sorted(query))
        tree = xml.fromstring(trying(lambda: ask("GET", bucket, query=query).read()))
        name = tree.tag.partition("}")[0] + "}" if "}" in tree.tag else ""
        for key in tree.iter(name + "Key"):
            yield key.text
        token = tree.findtext(name + "NextContinuationToken")
        if not token:
            return


def bring(address, folder):
    """Copies what lies below an address into a folder."""
    if address.endswith(".tar") and address.startswith("s3://weir-code/"):
        return unpack(address, folder)
    bucket, prefix = split(address)
    some = False
    for key in below(address):
        rest = key[len(prefix):]
        if key.endswith("/") or prefix and rest and not prefix.endswith("/") and not rest.startswith("/"):
            continue
        to = os.path.join(folder, rest.strip("/") or os.path.basename(key))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        fetch("s3://%s/%s" % (bucket, key), to)
        some = True
    if not some:
        fail("there is nothing in %s: see what there is with: aws s3 ls s3://%s" % (address, bucket))


def give(folder, address):
    """Copies a folder's files below an address, and says how many they are."""
    bucket, prefix = split(address)
    count = 0
    for at, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(at, name)
            digest, size = hashlib.sha256(), os.path.getsize(file)
            with open(file, "rb") as f:
                for block in iter(lambda: f.read(BLOCK), b""):
                    digest.update(block)

            def once():
                with open(file, "rb") as f:
                    ask("PUT", bucket, prefix + "/" + os.path.relpath(file, folder), body=f, length=size, digest=digest.hexdigest()).read()
            trying(once)
            count += 1
    return count


def install(packages):
    """Installs packages, unless the image was made of them."""
    if not packages or os.environ.get("WEIR_ENVIRONMENT"):
        return
    at = os.path.join(os.environ["WEIR_FOLDER"], "requirements.txt")
    with open(at, "w") as f:
        f.write(packages)
    print("weir: installing packages", file=sys.stderr, flush=True)
    where = os.path.join(os.environ["WEIR_FOLDER"], "packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "-r", at]
    if subprocess.call(pip if os.access(os.path.dirname(os.__file__), os.W_OK) else pip + ["--target", where]) != 0:
        fail("the packages could not be installed: see above")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), where]))
    os.environ["PATH"] += os.pathsep + os.path.join(where, "bin")


def run(command):
    """Runs the command as a child, and passes signals on to it."""
    import signal
    child = subprocess.Popen(command)
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(s, lambda number, _: child.send_signal(number))
    code = child.wait()
    return code if code >= 0 else 128 - code


def main(command):
    env = os.environ
    folder = env["WEIR_FOLDER"]
    code = os.path.join(folder, "code")
    unpack(env["WEIR_CODE"], code)
    for data in json.loads(env.get("WEIR_DATA") or "[]"):
        bring(data["from"], data["to"])
    install(env.get("WEIR_PACKAGES"))
    os.chdir(code)
    if os.path.isdir("src"):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [os.path.join(code, "src"), env.get("PYTHONPATH")]))
    output = env.get("WEIR_OUTPUT")
    if not output:
        try:
            os.execvp(command[0], command)
        except OSError as e:
            fail("%s: %s" % (command[0], e.strerror))
    if output.endswith("/"):
        os.makedirs(output, exist_ok=True)
    ended = run(command)
    to = env["WEIR_OUTPUT_TO"]
    if env.get("WEIR_REPLICA_INDEX"):
        to += "/%s-%s" % (env["WEIR_REPLICA_TYPE"], env["WEIR_REPLICA_INDEX"])
    count = give(output, to)
    if count:
        print("weir: put %d file%s into %s" % (count, "" if count == 1 else "s", to), file=sys.stderr, flush=True)
    sys.exit(ended)


if __name__ == "__main__":
    main(sys.argv[1:])
