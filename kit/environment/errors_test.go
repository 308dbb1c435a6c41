package environment

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplain(t *testing.T) {
	type told struct {
		Cause   Cause
		Package string
		Said    string
	}
	cases := map[string]struct {
		why    string
		stderr string
		want   told
	}{
		"NoPackage": {
			why: "The index does not know the name.",
			stderr: `Using Python 3.11.7 environment at: /x
error: No solution found when resolving dependencies
  cause: Because nosuch-xyz was not found in the package registry and you require nosuch-xyz, we can conclude that your requirements are unsatisfiable.
`,
			want: told{NoPackage, "nosuch-xyz", "No solution found when resolving dependencies: Because nosuch-xyz was not found in the package registry and you require nosuch-xyz, we can conclude that your requirements are unsatisfiable"},
		},
		"NoPackageOlderUV": {
			why: "uv used to draw its messages.",
			stderr: `  × No solution found when resolving dependencies:
  ╰─▶ Because nosuch-xyz was not found in the package registry and you require
      nosuch-xyz, we can conclude that your requirements are unsatisfiable.
`,
			want: told{NoPackage, "nosuch-xyz", "No solution found when resolving dependencies: Because nosuch-xyz was not found in the package registry and you require nosuch-xyz, we can conclude that your requirements are unsatisfiable"},
		},
		"NoVersion": {
			why:    "The name is right, the version is not.",
			stderr: "error: No solution found when resolving dependencies\n  cause: Because there is no version of six==99 and you require six==99, we can conclude that your requirements are unsatisfiable.\n",
			want:   told{NoVersion, "six", "No solution found when resolving dependencies: Because there is no version of six==99 and you require six==99, we can conclude that your requirements are unsatisfiable"},
		},
		"NotForThisPython": {
			why: "The version exists, for other Pythons.",
			stderr: "error: No solution found when resolving dependencies\n  cause: Because tensorflow-cpu==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require tensorflow-cpu==1.15.0, we can conclude that your requirements are unsatisfiable.\n\n" +
				"hint: You require CPython 3.11 (`cp311`), but we only found wheels for `tensorflow-cpu` (v1.15.0) with the following Python ABI tags: `cp27m`\n",
			want: told{NoVersion, "tensorflow-cpu", "No solution found when resolving dependencies: Because tensorflow-cpu==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require tensorflow-cpu==1.15.0, we can conclude that your requirements are unsatisfiable"},
		},
		"Refused": {
			why: "The index is away.",
			stderr: `error: Request failed after 3 retries in 12.0s
  cause: Failed to fetch: http://127.0.0.1:9/simple/colorama/
  cause: error sending request for url (http://127.0.0.1:9/simple/colorama/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
`,
			want: told{NoIndex, "colorama", "Request failed after 3 retries: Failed to fetch: http://127.0.0.1:9/simple/colorama/: Connection refused (os error 111)"},
		},
		"NoName": {
			why:    "The network is away, and names with it.",
			stderr: "error: Failed to fetch: http://index.invalid/simple/six/\n  cause: dns error\n  cause: failed to lookup address information: Name or service not known\n",
			want:   told{NoIndex, "six", "Failed to fetch: http://index.invalid/simple/six/: dns error: failed to lookup address information: Name or service not known"},
		},
		"DiskFull": {
			why:    "What the disk says counts, whatever was being fetched.",
			stderr: "error: Failed to fetch: https://index/x.whl\n  cause: failed to copy file\n  cause: No space left on device (os error 28)\n",
			want:   told{DiskFull, "", "Failed to fetch: https://index/x.whl: failed to copy file: No space left on device (os error 28)"},
		},
		"Malformed": {
			why:    "Not a requirement.",
			stderr: "error: Failed to parse: `six=99`\n  cause: no such comparison operator \"=\", must be one of ~= == != <= >= < > ===\n         six=99\n            ^^^\n",
			want:   told{Malformed, "six=99", "Failed to parse: `six=99`: no such comparison operator \"=\", must be one of ~= == != <= >= < > ===: six=99"},
		},
		"MalformedInFile": {
			why:    "The file is ours, and nothing to show.",
			stderr: "error: Couldn't parse requirement in `/w/building/24/requirements.txt` at position 4\n  cause: no such comparison operator \"=\", must be one of ~= == != <= >= < > ===\n         six=1.17\n            ^^^^^\n",
			want:   told{Malformed, "six=1.17", "Couldn't parse requirement: no such comparison operator \"=\", must be one of ~= == != <= >= < > ===: six=1.17"},
		},
		"Other": {
			why:    "What nobody foresaw is said as it was said.",
			stderr: "error: the cat sat on the keyboard\n",
			want:   told{Other, "", "the cat sat on the keyboard"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := explain("mnist:*", c.stderr)
			if diff := cmp.Diff(c.want, told{e.Cause, e.Package, e.Said}); diff != "" {
				t.Errorf("%s explain (-want +got):\n%s", c.why, diff)
			}
			if !strings.Contains(e.Error(), "mnist:*") || e.Remedy == "" {
				t.Errorf("%s the error names no image or no remedy: %v", c.why, e)
			}
		})
	}
}

func TestProgressIsTold(t *testing.T) {
	cases := map[string]string{
		"Resolved 46 packages in 825ms":                       "resolved 46 packages",
		"Downloading tensorflow-cpu (261.1MiB)":               "downloading tensorflow-cpu (261.1 MiB)",
		"   Building uwsgi==2.0":                              "compiling uwsgi==2.0",
		"Prepared 42 packages in 32.23s":                      "downloaded 42 packages in 32.23s, installing",
		"Installed 1 package in 3ms":                          "installed 1 package in 3ms",
		" + absl-py==2.5.1":                                   "",
		"warning: Failed to hardlink files; falling back to…": "",
	}
	for line, want := range cases {
		if got := Sentence(line); got != want {
			t.Errorf("of %q it is told %q, want %q", line, got, want)
		}
	}
}
