package entry

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The copy lives as long as this package's imports take to initialise, so it
// must not import anything that needs more than it does itself.
func TestImportsLittle(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); path != "syscall" && path != "unsafe" {
				t.Errorf("%s imports %s, which is initialised late", file, path)
			}
		}
	}
}

func TestWire(t *testing.T) {
	want := Config{
		Namespaces: []Namespace{{Name: "net", FD: 4}, {Name: "uts", FD: 5}},
		Root:       "/r",
		Mounts:     []Mount{{Type: "tmpfs", Target: "/", Data: "mode=755", Flags: 7}, {Type: Symlink, Source: "pts/ptmx", Target: "/dev/ptmx"}, {Source: "/s", Target: "/t", FD: 9, Recursive: true, Propagation: 1 << 18, Optional: true, OfRoot: true}},
		Masked:     []string{"/proc/kcore"}, ReadOnly: []string{"/proc/sys", ""}, ReadOnlyRoot: true,
		Terminal: true, OOMScoreAdjust: "-998",
		UID: 1, GID: 1 << 40, Groups: []uint64{2, 3}, Capabilities: ^uint64(0), KeepUser: true, NoNewPrivileges: true,
		Dir: "/d", MakeDir: true, Home: "/home/user",
		Argv: []string{"a", "b\x00c"}, Env: []string{"A=ä"}, Path: "/bin", Probe: true, Hold: true,
	}
	sent := want.Encode()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.Write(sent[:10]) // in two parts, as a socket may
		w.Write(sent[10:])
		w.Close()
	}()
	got, err := receive(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("sent and received (-want +got)\n%s", diff)
	}
	if _, err := receive(int(r.Fd())); err == nil {
		t.Error("nothing was received without complaint")
	}
}

func TestDecode(t *testing.T) {
	var w codec
	f := Failure{Step: "mount", Errno: 1, What: NoDir}
	f.visit(&w)
	for name, c := range map[string]struct {
		said string
		want Answer
	}{
		"Nothing":  {said: "", want: Answer{}},
		"Ready":    {said: "R", want: Answer{Ready: true}},
		"Terminal": {said: "TR", want: Answer{Terminal: true, Ready: true}},
		"Failure":  {said: "TF" + string(w.data), want: Answer{Terminal: true, Failure: &f}},
		"Late":     {said: "RF" + string(w.data), want: Answer{Ready: true, Failure: &f}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Decode([]byte(c.said))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for path, want := range map[string][2]string{
		"/a/b": {"/a/", "b"}, "/a": {"/", "a"}, "/a/b/": {"/a/", "b"}, "a": {"/", "a"}, "/": {"/", ""},
	} {
		if dir, name := split(path); dir != want[0] || name != want[1] {
			t.Errorf("split(%q) = %q, %q; want %q, %q", path, dir, name, want[0], want[1])
		}
	}
}
