package environment

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// newStore opens a store in a folder of its own.
func newStore(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// workshop is what the tests that build share: uv, and a folder that already
// has the environment of six.
var workshop = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "environment-test-")
	if err != nil {
		return "", err
	}
	s, err := Open(dir, Options{})
	if err != nil {
		return dir, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	_, err = s.Build(ctx, Recipe{Image: "six", Requirements: []string{"six"}}, nil)
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := workshop(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// environ is the test's own environment, with the workshop's uv on the PATH. It
// skips the test where there is no Python or no index.
func environ(t *testing.T, more ...string) []string {
	t.Helper()
	dir, err := workshop()
	var be *BuildError
	if errors.As(err, &be) && (be.Cause == NoIndex || be.Cause == NoPython) {
		t.Skipf("environments cannot be built on this machine: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), append([]string{"PATH=" + os.Getenv("PATH") + ":" + dir + "/uv/bin"}, more...)...)
}

// sharedStore has the environment of six, which must stay.
func sharedStore(t *testing.T) *Store {
	t.Helper()
	e := environ(t)
	dir, _ := workshop()
	s, err := Open(dir, Options{Environ: e})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told collects progress.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (p *told) say(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, s)
}

func (p *told) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// An environment is built, is found again without uv, and goes.
func TestBuild(t *testing.T) {
	t.Parallel()
	s := newStore(t, Options{Environ: environ(t)})
	r := Recipe{Image: "mine:*", Requirements: []string{"six==1.17.0"}, Variables: map[string]string{"A": "b"}, Command: []string{"python3"}}
	if _, ok := s.Built(r); ok {
		t.Fatal("built before it was")
	}
	var p told
	e, err := s.Build(t.Context(), r, p.say)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.String(), "resolved 2 packages") {
		t.Errorf("progress does not tell of the packages:\n%s", p.String())
	}
	bin := filepath.Join(e.Folders[0].Source, "bin")
	for _, argv := range [][]string{
		{"python", "-c", "import six; assert six.__version__ == '1.17.0'"},
		{"python3", "-m", "pip", "--version"},
		{"pip", "--version"},
		{"pip3", "--version"},
	} {
		if out, err := exec.Command(filepath.Join(bin, argv[0]), argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", argv, err, out)
		}
	}
	if e.Variables["A"] != "b" || e.Variables["VIRTUAL_ENV"] != Target || e.Command[0] != "python3" || e.Size == 0 {
		t.Errorf("the environment is not what the recipe says: %+v", e)
	}

	again, err := Open(s.dir, Options{Environ: []string{"PATH=/nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	other := r
	other.Image, other.Variables = "yours", nil
	found, err := again.Build(t.Context(), other, nil)
	if err != nil || found.ID != e.ID {
		t.Errorf("the same packages are not found again: %v, %v", found, err)
	}

	entries, err := s.List()
	if err != nil || len(entries) != 1 {
		t.Fatalf("List: %v, %v; want one", entries, err)
	}
	if last := entries[0]; last.ID != e.ID || last.Image != "mine:*" || len(last.Packages) != 2 {
		t.Errorf("entry %+v is not about %s", last, e.ID)
	}
	if err := s.Remove(e.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Built(r); ok {
		t.Error("built after it was removed")
	}
	if err := s.Remove(e.ID); err != nil {
		t.Errorf("remove what is gone: %v", err)
	}
}

// Two stores on one folder, as two processes have them: one builds, the other waits.
func TestTwoBuilders(t *testing.T) {
	t.Parallel()
	first := newStore(t, Options{Environ: environ(t)})
	second, err := Open(first.dir, Options{Environ: first.environ})
	if err != nil {
		t.Fatal(err)
	}
	r := Recipe{Image: "mine:*", Requirements: []string{"six", "idna"}}
	var progress [2]told
	var ids [2]string
	var both sync.WaitGroup
	for i, s := range []*Store{first, second} {
		both.Go(func() {
			e, err := s.Build(t.Context(), r, progress[i].say)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = e.ID
		})
	}
	both.Wait()
	if ids[0] != ids[1] {
		t.Errorf("they built two: %v", ids)
	}
	all := progress[0].String() + "\n" + progress[1].String()
	if n := strings.Count(all, "installed 3 packages"); n != 1 {
		t.Errorf("it was built %d times:\n%s", n, all)
	}
}

func TestWhatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	s := newStore(t, Options{Environ: environ(t)})
	dead := httptest.NewServer(nil)
	dead.Close()
	away := newStore(t, Options{Environ: environ(t, "UV_DEFAULT_INDEX="+dead.URL+"/simple", "UV_HTTP_RETRIES=0", "UV_NO_CACHE=1")})
	cases := map[string]struct {
		why    string
		store  *Store
		recipe Recipe
		cause  Cause
		pkg    string
	}{
		"NoPackage": {"A slip in a name.", s, Recipe{Requirements: []string{"six", "weir-no-such-package"}}, NoPackage, "weir-no-such-package"},
		"NoVersion": {"A version that never was.", s, Recipe{Requirements: []string{"six==99.0"}}, NoVersion, "six"},
		"Malformed": {"A single equals sign.", s, Recipe{Requirements: []string{"six=1.17"}}, Malformed, "six=1.17"},
		"Conflict":  {"Two wishes that exclude one another.", s, Recipe{Requirements: []string{"six==1.16.0", "six==1.17.0"}}, Conflict, ""},
		"IndexAway": {"The index does not answer.", away, Recipe{Requirements: []string{"six"}}, NoIndex, ""},
		"NoPath":    {"An environment that is not there.", s, Recipe{Python: "/no/such/environment"}, NoPython, ""},
		"NoPython":  {"Neither a version nor a path.", s, Recipe{Python: "snake"}, NoPython, ""},
		"NoFolder":  {"A folder that is not there.", s, Recipe{Folder: "/no/such/folder"}, NoFolder, ""},
		"NoFiles":   {"", s, Recipe{Files: "/no/such/folder"}, NoFolder, ""},
	}
	t.Cleanup(func() {
		for _, store := range []*Store{s, away} {
			if left, err := os.ReadDir(store.path("building")); err != nil || len(left) > 0 {
				t.Errorf("they left %v, %v", left, err)
			}
		}
	})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.recipe.Image = "mine:*"
			_, err := c.store.Build(t.Context(), c.recipe, nil)
			var be *BuildError
			if !errors.As(err, &be) {
				t.Fatalf("%s error %v, want a BuildError", c.why, err)
			}
			if be.Cause != c.cause || c.pkg != "" && be.Package != c.pkg || be.Said == "" || be.Remedy == "" {
				t.Errorf("%s error %+v, want %s about %q", c.why, *be, c.cause, c.pkg)
			}
		})
	}
}

// A version that does not exist here gives way to what the recipe has otherwise.
func TestOtherwise(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	r := Recipe{Image: "mine:*", Requirements: []string{"six==99.0"}, Otherwise: &Recipe{Image: "mine:*", Requirements: []string{"six"}}}
	if _, ok := s.Built(r); ok {
		t.Error("taken as built though nobody looked whether there is a six 99.0")
	}
	var p told
	e, err := s.Build(t.Context(), r, p.say)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.String(), "taking six for the Python that is here instead") {
		t.Errorf("it does not say what it took:\n%s", p.String())
	}
	if got, ok := s.Built(r); !ok || got.ID != e.ID {
		t.Errorf("not found again: %v, %v", got, ok)
	}
}

// A build whose process was killed leaves nothing.
func TestInterruptedBuild(t *testing.T) {
	s := newStore(t, Options{})
	for _, id := range []string{"dead", "alive"} {
		if err := os.MkdirAll(s.path("building", id, "files"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, err := tryLock(s.path("locks", "alive"))
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	defer l.Close()
	if _, err := Open(s.dir, Options{}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.path("building"))
	if err != nil || len(left) != 1 || left[0].Name() != "alive" {
		t.Errorf("left: %v, %v; want the one that is at work", left, err)
	}
}

// A build ends soon after its context.
func TestCancelledBuild(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		<-r.Context().Done()
	}))
	defer slow.Close()
	s := newStore(t, Options{Environ: environ(t, "UV_DEFAULT_INDEX="+slow.URL+"/simple", "UV_NO_CACHE=1")})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		select {
		case <-asked:
		case <-t.Context().Done():
		}
		cancel()
	}()
	_, err := s.Build(ctx, Recipe{Image: "mine:*", Requirements: []string{"six"}}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if left, err := os.ReadDir(s.path("building")); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// An environment of somebody's own is used where it lies, and so is a folder.
func TestAsItLies(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	built, err := s.Build(t.Context(), Recipe{Requirements: []string{"six"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := built.Folders[0].Source
	for name, path := range map[string]string{"Environment": own, "Bin": own + "/bin", "Interpreter": own + "/bin/python3"} {
		t.Run(name, func(t *testing.T) {
			r := Recipe{Image: "mine:*", Python: path}
			e, ok := s.Built(r)
			if !ok {
				t.Fatal("not there")
			}
			if e.Folders[0] != (Folder{own, own, true}) || e.Path[0] != own+"/bin" {
				t.Errorf("environment %+v, want %s where it lies", e, own)
			}
		})
	}

	dir := t.TempDir()
	e, ok := s.Built(Recipe{Image: "tools", Folder: dir, Files: dir})
	if !ok || e.Folders[0] != (Folder{dir, "/", true}) || e.Folders[1] != (Folder{Source: dir, Target: dir}) || e.Path[1] != dir {
		t.Errorf("environment %+v, %v; want the folder over the root and where it lies", e, ok)
	}
}

// A container sees the environment at another place than it was built in, with
// its interpreter and nothing else beside the system.
func TestInAContainer(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	e, err := s.Build(t.Context(), Recipe{Image: "six", Requirements: []string{"six"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	script := `set -e
PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs none "$1"; cd "$1"
for d in usr bin lib lib64 etc; do [ -e /$d ] && mkdir $d && mount --rbind /$d $d; done
mkdir dev tmp; mount --rbind /dev dev
shift; for f in "$@"; do mkdir -p "./${f#*=}"; mount --bind "${f%%=*}" "./${f#*=}"; done
exec chroot . /opt/environment/bin/pip --version
`
	args := []string{"--mount", "sh", "-c", script, "sh", t.TempDir()}
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	for _, f := range e.Folders {
		args = append(args, f.Source+"="+f.Target)
	}
	if err := exec.Command("unshare", "--mount", "--user", "--map-root-user", "true").Run(); err != nil && os.Getuid() != 0 {
		t.Skipf("this machine lets nobody mount but root: %v", err)
	}
	out, err := exec.Command("unshare", args...).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("from /opt/environment/lib")) {
		t.Errorf("pip in a root of its own: %v\n%s", err, out)
	}
}

// An image that is a shell and no more means this machine's programs, with an
// nslookup that knows the names that any program would find.
func TestMachine(t *testing.T) {
	s := newStore(t, Options{})
	r, _ := s.Find("alpine:3.10")
	e, err := s.Build(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, ok := s.Built(r); !ok || again.ID != e.ID {
		t.Errorf("built again it is %v, %v, want %s", again, ok, e.ID)
	}
	if len(e.Variables) > 0 || len(e.Path) == 0 {
		t.Fatalf("path %v, variables %v", e.Path, e.Variables)
	}
	program := filepath.Join(e.Path[0], "nslookup")
	if out, err := exec.CommandContext(t.Context(), program, "localhost").CombinedOutput(); err != nil {
		t.Errorf("nslookup localhost: %v: %s", err, out)
	}
	if err := exec.CommandContext(t.Context(), program, "nobody.invalid").Run(); err == nil {
		t.Error("nslookup finds a name that is nobody's")
	}
}
