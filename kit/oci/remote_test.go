package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/registry"
)

// far is a registry somewhere else, of which a test may change the answers.
type far struct {
	*httptest.Server
	store *Store

	mu    sync.Mutex
	asked []string // methods and paths
}

func newFar(t *testing.T, change func(w http.ResponseWriter, r *http.Request, next http.Handler)) *far {
	t.Helper()
	f := &far{store: open(t)}
	handler := registry.Handler(f.store.Host("far.example"))
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
		f.mu.Unlock()
		if change != nil {
			change(w, r, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *far) name(rest string) string { return strings.TrimPrefix(f.URL, "http://") + "/" + rest }

// count says how many requests began so.
func (f *far) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, a := range f.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

// large is an image with a layer of a few megabytes that cannot be packed.
func large(t *testing.T, s *Store, name string) *Image {
	t.Helper()
	data := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	i, err := s.Make(name, config(), files(map[string]string{"data": string(data)}), files(map[string]string{"small": "x"}))
	must(t, err)
	return i
}

// An image is pushed, pulled by somebody else, and nothing is sent twice.
func TestPushAndPull(t *testing.T) {
	f := newFar(t, nil)
	from, to := open(t), open(t)
	made := large(t, from, "ada/box:v1")
	as, err := from.Push(t.Context(), "ada/box:v1", f.name("ada/box:v1"), Remote{})
	if err != nil || as.String() != f.name("ada/box:v1") {
		t.Fatalf("pushed %v, %v", as, err)
	}
	if got := f.count("POST"); got != 3 {
		t.Errorf("%d uploads, want one for each of two layers and a config", got)
	}
	must(t, from.Tag("ada/box:v1", f.name("ada/box:v2")))
	if _, err := from.Push(t.Context(), f.name("ada/box:v2"), "", Remote{}); err != nil || f.count("POST") != 3 {
		t.Errorf("the same image again: %v, %d uploads", err, f.count("POST"))
	}

	var said []string
	var mu sync.Mutex
	pulled, err := to.Pull(t.Context(), f.name("ada/box:v1"), Remote{Progress: func(s string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, s)
	}})
	must(t, err)
	if pulled.Manifest.Digest != made.Manifest.Digest || !pulled.Pulled || len(said) < 1 || !strings.HasPrefix(said[0], "pulling 3 parts") {
		t.Errorf("pulled %+v and said %q", pulled, said)
	}
	gets := f.count("GET /v2/ada/box/blobs")
	again, err := to.Pull(t.Context(), f.name("ada/box@"+made.Manifest.Digest.String()), Remote{})
	if err != nil || again.ID != made.ID || f.count("GET /v2/ada/box/blobs") != gets {
		t.Errorf("by its digest: %v, %v; %d blobs came again", again, err, f.count("GET /v2/ada/box/blobs")-gets)
	}
}

// A push that is broken off leaves no name, and what came whole is not sent again.
func TestPushBrokenOff(t *testing.T) {
	ctx, breakOff := context.WithCancel(t.Context())
	defer breakOff()
	var whole atomic.Bool
	f := newFar(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && r.ContentLength > 1<<20 && !whole.Load() {
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 1<<20), broken(breakOff)))
		}
		next.ServeHTTP(w, r)
	})
	from := open(t)
	made := large(t, from, "ada/box:v1")
	if _, err := from.Push(ctx, "ada/box:v1", f.name("ada/box:v1"), Remote{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("broken off: %v", err)
	}
	if names, has := namesOf(t, f.store), f.store.Has(made.Layers[0].Digest); len(names) > 0 || has {
		t.Errorf("images %v are there, and the layer: %t", names, has)
	}
	whole.Store(true)
	if _, err := from.Push(t.Context(), "ada/box:v1", f.name("ada/box:v1"), Remote{}); err != nil {
		t.Fatal(err)
	}
	if i, err := f.store.Find("far.example/ada/box:v1"); err != nil || i.ID != made.ID {
		t.Errorf("pushed again: %v, %v", i, err)
	}
}

// broken is a body whose sender goes away when it is read.
type broken func()

func (b broken) Read([]byte) (int, error) {
	b()
	return 0, io.ErrUnexpectedEOF
}

// A pull that is broken off goes on where it was, also another pull later; or from
// the start with a registry that knows no other way.
func TestPullGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		why    string
		ranges bool
		cuts   int
		want   string // of Range, in some request
		pulls  int
	}{
		"Cut":      {"A connection that is cut a few times.", true, 3, "bytes=1", 1},
		"NoRanges": {"A registry that sends blobs whole, or not.", false, 2, "", 1},
		"Later":    {"One that is cut until the pull gives up; the next goes on.", true, 8, "bytes=1", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			cuts := c.cuts
			f := newFar(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
					next.ServeHTTP(w, r)
					return
				}
				if !c.ranges {
					r.Header.Del("Range")
					w = noRanges{w}
				}
				mu.Lock()
				cut := cuts > 0 && r.Header.Get("Range") != "bytes=0-"
				mu.Unlock()
				next.ServeHTTP(&cutter{ResponseWriter: w, left: 1 << 20, cut: func() bool {
					mu.Lock()
					defer mu.Unlock()
					if cut {
						cuts--
					}
					return cut
				}}, r)
			})
			made := large(t, f.store, "far.example/ada/box:v1")
			to := open(t)
			var pulled *Image
			var err error
			for n := range c.pulls {
				if pulled, err = to.Pull(t.Context(), f.name("ada/box:v1"), Remote{}); err == nil {
					break
				}
				if n+1 == c.pulls {
					t.Fatalf("%s %v", c.why, err)
				}
			}
			if pulled.ID != made.ID {
				t.Errorf("pulled %v, want %v", pulled.ID, made.ID)
			}
			if c.want != "" && !strings.Contains(strings.Join(f.asked, "\n"), c.want) {
				t.Errorf("%s It went on nowhere:\n%s", c.why, strings.Join(f.asked, "\n"))
			}
			if left, _ := filepath.Glob(to.path("uploads/*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A cutter breaks a connection off when it has sent so much.
type cutter struct {
	http.ResponseWriter
	left int
	cut  func() bool
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 && c.cut() {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// noRanges is an answer that does not offer parts.
type noRanges struct{ http.ResponseWriter }

func (n noRanges) WriteHeader(code int) {
	n.Header().Del("Accept-Ranges")
	n.ResponseWriter.WriteHeader(code)
}

// What goes wrong is said, and nothing half is kept.
func TestPullErrors(t *testing.T) {
	foreign := func(f *far) {
		c := config()
		c.Architecture = "s390x"
		i, err := f.store.Make("far.example/ada/box:v1", c, files(map[string]string{"a": "1"}))
		must(t, err)
		index := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` +
			i.Manifest.Digest.String() + `","size":` + fmt.Sprint(i.Manifest.Size) + `,"platform":{"os":"linux","architecture":"s390x"}}]}`
		d, _, err := f.store.Put("", strings.NewReader(index))
		must(t, err)
		d.MediaType = "application/vnd.oci.image.index.v1+json"
		must(t, f.store.name(Name{Repository: "far.example/ada/box", Tag: "v1"}, tag{Target: d}))
	}
	for name, c := range map[string]struct {
		why     string
		prepare func(*far)
		change  func(w http.ResponseWriter, r *http.Request, next http.Handler)
		remote  Remote
		want    string
	}{
		"NoImage":  {why: "A tag that is not there.", prepare: func(*far) {}, want: "not found"},
		"Platform": {why: "An image for other machines.", prepare: foreign, want: "it is for linux/s390x"},
		"Changed": {why: "Content that is not what its digest says.", change: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
				next.ServeHTTP(w, r)
				return
			}
			record := httptest.NewRecorder()
			next.ServeHTTP(record, r)
			body := record.Body.Bytes()
			body[len(body)/2] ^= 1
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
		}, want: "what came is another"},
		"Longer": {why: "More than there should be.", change: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(w, r)
			if strings.Contains(r.URL.Path, "/blobs/") {
				_, _ = io.WriteString(w, "more")
			}
		}, want: ""},
		"SignIn": {why: "A registry that wants to know who asks.", change: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if name, password, _ := r.BasicAuth(); name != "ada" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				registry.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "who are you?")
				return
			}
			next.ServeHTTP(w, r)
		}, want: "unauthorized: the registry wants a name and a password"},
		"SignedIn": {why: "And is told.", change: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if name, password, _ := r.BasicAuth(); name != "ada" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				registry.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "who are you?")
				return
			}
			next.ServeHTTP(w, r)
		}, remote: Remote{Username: "ada", Password: "secret"}, want: ""},
		"Broken": {why: "A registry that fails.", change: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			registry.Refuse(w, http.StatusInternalServerError, "UNKNOWN", "the disk is on fire")
		}, want: "the disk is on fire"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t, c.change)
			if c.prepare == nil {
				hello(t, f.store, "far.example/ada/box:v1")
			} else {
				c.prepare(f)
			}
			s := open(t)
			_, err := s.Pull(t.Context(), f.name("ada/box:v1"), c.remote)
			if c.want == "" {
				must(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), f.name("ada/box:v1")) {
				t.Errorf("%s Error %v, want %q", c.why, err, c.want)
			}
			if _, err := s.Find(f.name("ada/box:v1")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is there: %v", err)
			}
		})
	}
	s := open(t)
	if _, err := s.Pull(t.Context(), "127.0.0.1:1/ada/box:v1", Remote{}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a registry that is not there: %v", err)
	}
}

// Two who pull the same image do not take it twice.
func TestPullSideBySide(t *testing.T) {
	f := newFar(t, nil)
	made := large(t, f.store, "far.example/ada/box:v1")
	s := open(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if i, err := s.Pull(t.Context(), f.name("ada/box:v1"), Remote{}); err != nil || i.ID != made.ID {
				t.Errorf("%v, %v", i, err)
			}
		})
	}
	all.Wait()
	if got := f.count("GET /v2/ada/box/blobs/" + made.Layers[0].Digest.String()); got != 1 {
		t.Errorf("a layer came %d times", got)
	}
}

// What is attached to an image is pushed with it, and found there as what refers to it.
func TestPushAttached(t *testing.T) {
	f := newFar(t, nil)
	s := open(t)
	i := large(t, s, "ada/box:v1")
	must(t, s.Attach(i, "application/example", []byte("it is good")))
	_, err := s.Push(t.Context(), "ada/box:v1", f.name("ada/box:v1"), Remote{})
	must(t, err)
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/v2/ada/box/referrers/"+i.Manifest.Digest.String(), nil)
	must(t, err)
	response, err := http.DefaultClient.Do(ask)
	must(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	must(t, err)
	if !strings.Contains(string(data), `"artifactType":"application/example"`) {
		t.Errorf("what refers to it: %s", data)
	}
}

// Of an image for several machines each has its own part, under one name.
func TestPullForOtherMachines(t *testing.T) {
	f := newFar(t, nil)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	for _, arch := range []string{runtime.GOARCH, other} {
		c := config()
		c.Architecture = arch
		i, err := f.store.Make("far.example/ada/box:"+arch, c, files(map[string]string{"for": arch}))
		must(t, err)
		i.Manifest.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, i.Manifest)
	}
	target, err := f.store.putJSON(index, index.MediaType)
	must(t, err)
	n, err := ParseName("far.example/ada/box:v1")
	must(t, err)
	must(t, f.store.name(n, tag{Target: target}))

	here := open(t)
	for _, arch := range []string{other, runtime.GOARCH} {
		if _, err := here.FindFor(f.name("ada/box:v1"), arch); err == nil {
			t.Errorf("the part for %s is here before it was pulled", arch)
		}
		i, err := here.Pull(t.Context(), f.name("ada/box:v1"), Remote{Architecture: arch})
		must(t, err)
		found, err := here.FindFor(f.name("ada/box:v1"), arch)
		if err != nil || i.Config.Architecture != arch || found.ID != i.ID {
			t.Errorf("for %s: pulled one for %s, found %v", arch, i.Config.Architecture, err)
		}
	}
}
