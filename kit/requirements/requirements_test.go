package requirements

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What each kind of file declares.
func TestFind(t *testing.T) {
	cases := map[string]struct {
		why    string
		files  map[string]string
		script string
		want   List
		err    string
	}{
		"Nothing": {why: "A folder may declare nothing.", files: map[string]string{"train.py": "import numpy\n"}, script: "train.py"},
		"Requirements": {
			why: "Comments, empty lines, hashes and lines that go on are read as pip reads them.",
			files: map[string]string{"requirements.txt": "# what it needs\nnumpy<2  # old\n\npandas[all]==2.1 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\nx @ https://example.com/x.whl#sha256=1\n" +
				"torch ; sys_platform == 'linux'\r\n"},
			want: List{From: "requirements.txt", Packages: []string{"numpy<2", "pandas[all]==2.1", "x @ https://example.com/x.whl#sha256=1", "torch ; sys_platform == 'linux'"}},
		},
		"Included": {
			why:   "A list may include others, which lie beside it.",
			files: map[string]string{"requirements.txt": "-r more/base.txt\nb\n", "more/base.txt": "--requirement=last.txt\n", "more/last.txt": "a\n"},
			want:  List{From: "requirements.txt", Packages: []string{"a", "b"}},
		},
		"IncludesItself": {
			files: map[string]string{"requirements.txt": "-r requirements.txt\n"},
			err:   "includes itself",
		},
		"Options": {
			why:   "What is not a package is told of.",
			files: map[string]string{"requirements.txt": "--index-url https://example.com\n-e .\n-c limits.txt\na\n"},
			want: List{From: "requirements.txt", Packages: []string{"a"}, Notes: []string{
				`requirements.txt:1: "--index-url https://example.com" is not read: settings of the index are those of the shell that runs weir up, as UV_INDEX_URL`,
				`requirements.txt:2: "." is carried as it lies in the folder, and not installed`,
				`requirements.txt:3: constraints are not read: write the versions beside the packages`,
			}},
		},
		"Project": {
			files: map[string]string{"pyproject.toml": "[project]\nname = 'x'\nrequires-python = '>=3.10,<3.12'\ndependencies = ['numpy', 'pandas>=2']\n"},
			want:  List{From: "pyproject.toml", Packages: []string{"numpy", "pandas>=2"}, Python: "3.11"},
		},
		"ProjectOfTools": {why: "A pyproject.toml that only configures tools says nothing.", files: map[string]string{"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}},
		"ProjectDynamic": {
			files: map[string]string{"pyproject.toml": "[project]\nname = 'x'\ndynamic = ['dependencies']\n"},
			err:   "uv pip compile pyproject.toml",
		},
		"Poetry": {
			files: map[string]string{"pyproject.toml": "[tool.poetry.dependencies]\npython = '^3.10'\nnumpy = '^1.26'\n"},
			err:   "poetry export",
		},
		"BadProject": {files: map[string]string{"pyproject.toml": "[project\n"}, err: "read pyproject.toml"},
		"Script": {
			why:    "What a script declares itself comes before all files.",
			files:  map[string]string{"requirements.txt": "a\n", "train.py": "#!/usr/bin/env python\n# /// script\n# requires-python = \">=3.13\"\n# dependencies = [\n#   \"rich\",\n# ]\n# ///\nimport rich\n"},
			script: "train.py",
			want:   List{From: "train.py", Packages: []string{"rich"}, Python: "3.13"},
		},
		"ScriptWithoutEnd": {
			files: map[string]string{"train.py": "# /// script\n# dependencies = []\nimport rich\n"}, script: "train.py",
			err: "has no end",
		},
		"Conda": {
			files: map[string]string{"environment.yml": "name: x\ndependencies:\n- python=3.11\n- cudatoolkit=11\n- pip\n- pip:\n  - numpy<2\n  - -r other.txt\n"},
			want: List{From: "environment.yml", Packages: []string{"numpy<2"}, Python: "3.11", Notes: []string{
				"environment.yml: -r other.txt is not read: name packages",
				"environment.yml: packages of conda are left out: cudatoolkit=11; name those that the program needs under pip",
			}},
		},
		"Lock": {
			why: "Each package comes in its locked version, where its markers hold, once; what lies in the folder is not installed.",
			files: map[string]string{"requirements.txt": "other\n", "uv.lock": `
version = 1
requires-python = ">=3.12"

[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "a" },
    { name = "w", marker = "sys_platform == 'win32'" },
    { name = "g" },
    { name = "x", extra = ["fast"] },
]

[[package]]
name = "a"
version = "1.0"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "b" }, { name = "w", marker = "os_name == 'nt'" }]

[[package]]
name = "b"
version = "2.0"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "a" }]

[[package]]
name = "g"
version = "0.2"
source = { git = "https://example.com/g.git?rev=main#abcdef" }

[[package]]
name = "unused"
version = "9"
source = { registry = "https://index.example/simple" }

[[package]]
name = "w"
version = "3.0"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "a" }, { name = "y" }]

[[package]]
name = "x"
version = "4.0"
source = { registry = "https://index.example/simple" }

[package.optional-dependencies]
fast = [{ name = "y" }, { name = "x", extra = ["fast"] }]

[[package]]
name = "y"
version = "5.0"
source = { registry = "https://index.example/simple" }
`},
			want: List{From: "uv.lock", Python: "3.12", Packages: []string{
				"a==1.0", "b==2.0", "g @ git+https://example.com/g.git@abcdef", "w==3.0 ; (os_name == 'nt') or (sys_platform == 'win32')", "x==4.0", "y==5.0",
			}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for f, text := range c.files {
				write(t, filepath.Join(dir, f), text)
			}
			got, err := Find(dir, c.script)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

func TestVersionFor(t *testing.T) {
	cases := map[string]string{
		"": "", ">=3.8": "", ">=3.10": "", ">=3.9,<4": "", "*": "", ">3.6": "", "~=3.8": "", ">=2.7": "", "<4.0": "",
		">=3.11": "3.12", ">=3.12": "3.12", ">=3.13": "3.13", "<3.12": "3.11", ">=3.9,<3.11": "3.10", "==3.11.*": "3.11", "==3.11.4": "3.11", "~=3.11.2": "3.11", "==3.9": "3.9",
		"!=3.12.*": "3.11", "<=3.12": "3.12", "<3.12.5,>=3.10": "3.12",
	}
	for required, want := range cases {
		if got, err := versionFor(required); err != nil || got != want {
			t.Errorf("versionFor(%q) = %q, %v; want %q", required, got, err, want)
		}
	}
	for _, bad := range []string{"<3", ">=4", "three", ">=3.10,<3.10"} {
		if got, err := versionFor(bad); err == nil {
			t.Errorf("versionFor(%q) = %q, want an error", bad, got)
		}
	}
}

// A program's imports are those of its own files too, and not what stands in a
// text, comes with Python or lies in the folder.
func TestImports(t *testing.T) {
	dir := t.TempDir()
	for f, text := range map[string]string{
		"train.py":          "\"\"\"\nimport pandas\n\"\"\"\nimport os, sys, numpy as np\nfrom . import relative\nfrom lib.data import load\nimport helper\ntry:\n    import torch.nn\nexcept ImportError:\n    pass\n# import lightgbm\n",
		"lib/__init__.py":   "",
		"lib/data.py":       "from sklearn.datasets import load_digits\nimport nobodys_module; import json\n",
		"helper.py":         "import helper\nfrom os import path\n",
		"src/pkg/inside.py": "import jax\n",
	} {
		write(t, filepath.Join(dir, f), text)
	}
	write(t, filepath.Join(dir, "nb.ipynb"), `{"cells": [{"cell_type": "markdown", "source": "import pandas"}, {"cell_type": "code", "source": ["%matplotlib inline\n", "import helper, yaml\n"]}, {"cell_type": "code", "source": "import jax"}]}`)
	for script, want := range map[string][]Import{
		"train.py": {{"nobodys_module", ""}, {"numpy", "numpy"}, {"sklearn", "scikit-learn"}, {"torch", "torch"}},
		"nb.ipynb": {{"jax", "jax"}, {"yaml", "pyyaml"}},
	} {
		got, err := Imports(dir, script)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("imports of %s (-want +got):\n%s", script, diff)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
