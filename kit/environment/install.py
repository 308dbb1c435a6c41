# Installs packages into the Python that runs it: by uv, or by its own pip where uv
# does not run.
import json, os, subprocess, sys

here = os.path.dirname(os.path.abspath(__file__))
listed = ["-r", os.path.join(here, "requirements.txt")]
with open(os.path.join(here, "settings.json")) as f:
    environ = dict(os.environ, **json.load(f))
uv = os.path.join(here, "uv")
try:
    runs = subprocess.call([uv, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
except OSError:
    runs = False  # It is for another C library.
if runs:
    command = [uv, "pip", "install", "--python", sys.executable, "--break-system-packages", "--compile-bytecode"]
else:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore"]
os.chdir("/")
os.execve(command[0], command + listed, environ)
