package requirements

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// An Import is a module that a program imports.
type Import struct {
	Module  string // its first name, as "sklearn"
	Package string // that has it; empty if that is not known
}

var (
	importLine = regexp.MustCompile(`(?m)^[ \t]*import[ \t]+([^#\n;]+)`)
	fromLine   = regexp.MustCompile(`(?m)^[ \t]*from[ \t]+([A-Za-z_]\w*)[\w.]*[ \t]+import\b`)
	moduleName = regexp.MustCompile(`^[A-Za-z_]\w*`)
	longString = regexp.MustCompile(`(?s)"""(?:[^\\]|\\.)*?"""|'''(?:[^\\]|\\.)*?'''`)
)

// Imports are the modules that a script or notebook in the folder dir imports,
// and those that its neighbours do which it imports, but for Python's own.
func Imports(dir, script string) ([]Import, error) {
	text, err := os.ReadFile(filepath.Join(dir, script))
	if err != nil {
		return nil, err
	}
	if filepath.Ext(script) == ".ipynb" {
		if text, err = cells(text); err != nil {
			return nil, fmt.Errorf("read notebook %s: %w", script, err)
		}
	}
	found := map[string]bool{}
	seen := map[string]bool{}
	follow(dir, filepath.Join(dir, filepath.Dir(script)), string(text), found, seen)
	var all []Import
	for _, m := range slices.Sorted(maps.Keys(found)) {
		all = append(all, Import{m, known[m]})
	}
	return all, nil
}

// cells is the code of a notebook.
func cells(notebook []byte) ([]byte, error) {
	var read struct {
		Cells []struct {
			Kind   string `json:"cell_type"`
			Source any
		}
	}
	if err := json.Unmarshal(notebook, &read); err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, c := range read.Cells {
		if c.Kind != "code" {
			continue
		}
		switch source := c.Source.(type) { // Both are allowed.
		case string:
			text.WriteString(source)
		case []any:
			for _, line := range source {
				fmt.Fprint(&text, line)
			}
		}
		text.WriteString("\n")
	}
	return []byte(text.String()), nil
}

// follow adds what a text imports, and what the files of the program do that it
// imports; those lie beside the script, in the folder, or in its src.
func follow(dir, beside, text string, found, seen map[string]bool) {
	for _, m := range modules(text) {
		if seen[m] {
			continue
		}
		seen[m] = true
		ours := false
		for _, place := range []string{beside, dir, filepath.Join(dir, "src")} {
			files, _ := filepath.Glob(filepath.Join(place, m, "*.py")) // The pattern makes sense: m is a name.
			for _, file := range append(files, filepath.Join(place, m+".py")) {
				if text, err := os.ReadFile(file); err == nil {
					ours = true
					follow(dir, filepath.Dir(file), string(text), found, seen)
				}
			}
		}
		if !ours && !isStandard(m) {
			found[m] = true
		}
	}
}

// modules are the first names of what a text imports.
func modules(text string) []string {
	text = longString.ReplaceAllString(text, `""`)
	var all []string
	for _, m := range importLine.FindAllStringSubmatch(text, -1) {
		for _, part := range strings.Split(m[1], ",") {
			if name := moduleName.FindString(strings.TrimSpace(part)); name != "" {
				all = append(all, name)
			}
		}
	}
	for _, m := range fromLine.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// known are packages by the modules that are in them. Only what everybody uses
// is here: to install a package for its module's name would be to install what
// somebody else has called so. (Nothing changes it.)
var known = map[string]string{
	"numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "polars": "polars", "pyarrow": "pyarrow", "sklearn": "scikit-learn", "skimage": "scikit-image",
	"matplotlib": "matplotlib", "seaborn": "seaborn", "plotly": "plotly", "PIL": "pillow", "cv2": "opencv-python-headless", "imageio": "imageio",
	"tensorflow": "tensorflow", "keras": "keras", "tf_keras": "tf-keras", "tensorboard": "tensorboard", "torch": "torch", "torchvision": "torchvision", "torchaudio": "torchaudio",
	"lightning": "lightning", "pytorch_lightning": "pytorch-lightning", "jax": "jax", "jaxlib": "jaxlib", "flax": "flax", "optax": "optax", "equinox": "equinox",
	"xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost", "paddle": "paddlepaddle", "mpi4py": "mpi4py", "horovod": "horovod", "deepspeed": "deepspeed",
	"transformers": "transformers", "datasets": "datasets", "tokenizers": "tokenizers", "accelerate": "accelerate", "peft": "peft", "evaluate": "evaluate",
	"huggingface_hub": "huggingface_hub", "safetensors": "safetensors", "diffusers": "diffusers", "timm": "timm", "sentence_transformers": "sentence-transformers",
	"statsmodels": "statsmodels", "prophet": "prophet", "networkx": "networkx", "nltk": "nltk", "spacy": "spacy", "gensim": "gensim", "shap": "shap", "optuna": "optuna",
	"mlflow": "mlflow", "wandb": "wandb", "ray": "ray", "dask": "dask", "numba": "numba", "joblib": "joblib", "tqdm": "tqdm", "rich": "rich", "click": "click", "typer": "typer",
	"requests": "requests", "httpx": "httpx", "aiohttp": "aiohttp", "bs4": "beautifulsoup4", "lxml": "lxml", "yaml": "pyyaml", "toml": "toml", "dotenv": "python-dotenv",
	"pydantic": "pydantic", "attr": "attrs", "attrs": "attrs", "dateutil": "python-dateutil", "pytz": "pytz", "sqlalchemy": "sqlalchemy", "psycopg2": "psycopg2-binary",
	"boto3": "boto3", "botocore": "botocore", "s3fs": "s3fs", "fsspec": "fsspec", "smart_open": "smart_open", "h5py": "h5py", "tables": "tables", "openpyxl": "openpyxl",
	"kubernetes": "kubernetes", "kfp": "kfp", "cloudpickle": "cloudpickle", "dill": "dill", "psutil": "psutil", "einops": "einops", "hydra": "hydra-core", "omegaconf": "omegaconf",
	"papermill": "papermill", "nbformat": "nbformat", "IPython": "ipython", "setuptools": "setuptools", "packaging": "packaging",
}

// isStandard tells whether a module comes with Python.
func isStandard(module string) bool { return slices.Contains(strings.Fields(standardModules), module) }

// standardModules are those of Python 3.6 to 3.13.
const standardModules = `
__future__ _thread _tkinter asynchat asyncore binhex distutils formatter imp parser smtpd symbol macpath dummy_threading compression annotationlib
abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb
chunk cmath cmd code codecs codeop collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses
dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch
fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp
importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder
msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb pickle pickletools
pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re
readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver
spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symtable sys sysconfig syslog tabnanny
tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle
turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp
zipfile zipimport zlib zoneinfo`
