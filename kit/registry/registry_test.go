package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
)

// serve serves an empty store.
func serve(t *testing.T) (*oci.Store, *httptest.Server) {
	t.Helper()
	return serveIn(t, t.TempDir())
}

func serveIn(t *testing.T, dir string) (*oci.Store, *httptest.Server) {
	t.Helper()
	store, err := oci.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.Handler(store.Host("weir.local")))
	t.Cleanup(server.Close)
	return store, server
}

// OCI's own suite, which make conformance-registry builds.
func TestConformance(t *testing.T) {
	suite := os.Getenv("WEIR_DISTRIBUTION_SUITE")
	if suite == "" {
		t.Skip("make conformance-registry runs it")
	}
	_, server := serve(t)
	results := t.TempDir()
	c := exec.CommandContext(t.Context(), suite)
	c.Dir = results
	c.Env = append(os.Environ(), "OCI_REGISTRY="+strings.TrimPrefix(server.URL, "http://"), "OCI_TLS=disabled", "OCI_RESULTS_DIR="+results, "OCI_LOG=error",
		"OCI_API_BLOBS_DIGEST_HEADER=true", "OCI_API_MANIFESTS_DIGEST_HEADER=true", "OCI_API_BLOBS_UPLOAD_CANCEL=true")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// ask sends a request and returns the answer with its body.
func ask(t *testing.T, method, url string, header map[string]string, body []byte) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Status, answer.Header}, string(said)
}

// A reply is a response that has been read.
type reply struct {
	StatusCode int
	Status     string
	Header     http.Header
}

// begin begins an upload and returns where it goes on.
func begin(t *testing.T, server *httptest.Server, repository string) string {
	t.Helper()
	answer, said := ask(t, "POST", server.URL+"/v2/"+repository+"/blobs/uploads/", nil, nil)
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("an upload begins with %s: %s", answer.Status, said)
	}
	return server.URL + answer.Header.Get("Location")
}

// A push that fills the disk is told so, takes no room afterwards, and is right
// once there is room.
func TestFullDisk(t *testing.T) {
	const room = 4 << 20
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", room)); err != nil {
		t.Skip("no small disk can be made here:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	_, server := serveIn(t, dir)
	free := func() uint64 {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			t.Fatal(err)
		}
		return s.Bfree * uint64(s.Bsize)
	}
	before := free()
	push := func(content []byte) (reply, string) {
		return ask(t, "PUT", begin(t, server, "ada/mnist")+"?digest="+digest.FromBytes(content).String(), nil, content)
	}
	answer, said := push(make([]byte, room+1))
	if answer.StatusCode != http.StatusInsufficientStorage || !strings.Contains(said, "the disk of the registry is full") {
		t.Errorf("the answer is %s: %s", answer.Status, said)
	}
	if after := free(); before-after > room/8 { // a few empty folders
		t.Errorf("%d bytes are free, and %d were", after, before)
	}
	if answer, said := push(make([]byte, room/2)); answer.StatusCode != http.StatusCreated {
		t.Errorf("with room enough the answer is %s: %s", answer.Status, said)
	}
}

// A namespace has as much as it may, however it is pushed, and blobs that it has count
// once. Others are no matter.
func TestQuota(t *testing.T) {
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	host := store.Host("weir.local")
	host.Limit = func(namespace string) (int64, bool, error) { return 1000, namespace == "ada", nil }
	server := httptest.NewServer(registry.Handler(host))
	t.Cleanup(server.Close)
	blob := func(letter string, size int) []byte { return bytes.Repeat([]byte(letter), size) }
	whole := func(repository string, content []byte) (reply, string) {
		return ask(t, "PUT", begin(t, server, repository)+"?digest="+digest.FromBytes(content).String(), nil, content)
	}
	inParts := func(repository string, content []byte) (reply, string) {
		at := begin(t, server, repository)
		for part := range slices.Chunk(content, 300) {
			if answer, said := ask(t, "PATCH", at, nil, part); answer.StatusCode >= 400 {
				return answer, said
			}
		}
		return ask(t, "PUT", at+"?digest="+digest.FromBytes(content).String(), nil, nil)
	}
	mount := func(repository string, content []byte) (reply, string) {
		return ask(t, "POST", server.URL+"/v2/"+repository+"/blobs/uploads/?mount="+digest.FromBytes(content).String()+"&from=ada/one", nil, nil)
	}
	for _, c := range []struct {
		why        string
		push       func(string, []byte) (reply, string)
		repository string
		content    []byte
		status     int
	}{
		{"More than it may have.", whole, "ada/one", blob("a", 1001), 403},
		{"The same in parts.", inParts, "ada/one", blob("a", 1001), 403},
		{"Room for it.", whole, "ada/one", blob("a", 700), 201},
		{"No room for one more.", inParts, "ada/two", blob("b", 400), 403},
		{"The same content once more takes none.", mount, "ada/two", blob("a", 700), 201},
		{"What fills it to the last byte.", inParts, "ada/two", blob("c", 300), 201},
		{"Not a byte more.", whole, "ada/two", blob("d", 1), 403},
		{"Other namespaces have no limit.", whole, "bob/one", blob("e", 5000), 201},
		{"Nor has who is in none.", inParts, "one", blob("f", 5000), 201},
	} {
		if answer, said := c.push(c.repository, c.content); answer.StatusCode != c.status || c.status == 403 && !(strings.Contains(said, `"DENIED"`) && strings.Contains(said, "namespace ada may have 1.0 kB of images")) {
			t.Errorf("%s Answer %s: %s, want %d", c.why, answer.Status, said, c.status)
		}
	}
	manifest := `{"config":{"digest":"` + digest.FromBytes(blob("c", 300)).String() + `"}}`
	if answer, said := ask(t, "PUT", server.URL+"/v2/ada/two/manifests/v1", map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, []byte(manifest)); answer.StatusCode != 403 {
		t.Errorf("A manifest is content too. Answer %s: %s", answer.Status, said)
	}
	if left, err := store.Collect(0, nil); err != nil || left != 700+300+5000+5000 {
		t.Errorf("what was refused is there: %d bytes were, %v", left, err)
	}
}

// What a client gets wrong is said in the protocol's own way.
func TestErrors(t *testing.T) {
	_, server := serve(t)
	content := []byte("content")
	sum := digest.FromBytes(content).String()
	other := digest.FromString("other").String()
	for name, c := range map[string]struct {
		why          string
		method, path string
		header       map[string]string
		body         string
		status       int
		want         string
	}{
		"Root":          {"That the protocol is spoken here.", "GET", "/v2/", nil, "", 200, "{}"},
		"Nothing":       {"What is no part of it.", "GET", "/v2/ada/mnist/nothing/here", nil, "", 404, "UNSUPPORTED"},
		"Capital":       {"A name with capitals.", "GET", "/v2/Ada/mnist/tags/list", nil, "", 400, "NAME_INVALID"},
		"Dots":          {"A name that leads out.", "GET", "/v2/ada/%2e%2e/%2e%2e/etc/tags/list", nil, "", 400, "NAME_INVALID"},
		"Underscore":    {"A name of one of the store's own folders.", "GET", "/v2/ada/_tags/tags/list", nil, "", 400, "NAME_INVALID"},
		"NoRepository":  {"A repository that is not there.", "GET", "/v2/ada/none/tags/list", nil, "", 404, "NAME_UNKNOWN"},
		"NoManifest":    {"A tag that is not there.", "GET", "/v2/ada/none/manifests/v1", nil, "", 404, "MANIFEST_UNKNOWN"},
		"TagOut":        {"A tag that leads out.", "GET", "/v2/ada/none/manifests/..", nil, "", 400, "TAG_INVALID"},
		"DigestOut":     {"A digest that leads out.", "GET", "/v2/ada/none/blobs/sha256:..%2f..%2fx", nil, "", 404, "UNSUPPORTED"},
		"UploadOut":     {"An upload that leads out.", "PATCH", "/v2/ada/none/blobs/uploads/..%2fx", nil, "", 404, "UNSUPPORTED"},
		"NoUpload":      {"An upload that nobody began.", "PATCH", "/v2/ada/none/blobs/uploads/123", nil, "", 404, "BLOB_UPLOAD_UNKNOWN"},
		"OtherDigest":   {"Content that is another.", "POST", "/v2/ada/mnist/blobs/uploads/?digest=" + other, nil, "content", 400, "DIGEST_INVALID"},
		"NoJSON":        {"A manifest that is none.", "PUT", "/v2/ada/mnist/manifests/v1", nil, "hello", 400, "MANIFEST_INVALID"},
		"NoKind":        {"A manifest that does not say of which kind.", "PUT", "/v2/ada/mnist/manifests/v1", nil, "{}", 400, "MANIFEST_INVALID"},
		"TwoKinds":      {"Or says two.", "PUT", "/v2/ada/mnist/manifests/v1", map[string]string{"Content-Type": "application/x"}, `{"mediaType":"application/y"}`, 400, "MANIFEST_INVALID"},
		"MissingLayer":  {"A layer that was not pushed.", "PUT", "/v2/ada/mnist/manifests/v1", map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, `{"layers":[{"digest":"` + sum + `"}]}`, 404, "MANIFEST_BLOB_UNKNOWN"},
		"LargeManifest": {"A manifest without end.", "PUT", "/v2/ada/mnist/manifests/v1", nil, strings.Repeat(" ", 5<<20), 413, "MANIFEST_INVALID"},
		"OtherManifest": {"A manifest whose digest is another.", "PUT", "/v2/ada/mnist/manifests/" + other, map[string]string{"Content-Type": "application/x"}, "{}", 400, "DIGEST_INVALID"},
		"Method":        {"What is not done.", "POST", "/v2/ada/mnist/manifests/v1", nil, "", 405, "UNSUPPORTED"},
		"Page":          {"A page of no size.", "GET", "/v2/_catalog?n=x", nil, "", 400, "PAGINATION_NUMBER_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, said := ask(t, c.method, server.URL+c.path, c.header, []byte(c.body))
			if answer.StatusCode != c.status || !strings.Contains(said, c.want) {
				t.Errorf("%s Answer %s: %s; want %d and %s", c.why, answer.Status, said, c.status, c.want)
			}
		})
	}
}

// A blob that comes in parts, of which one comes twice, is broken off and goes on.
func TestUploadInParts(t *testing.T) {
	store, server := serve(t)
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	at := begin(t, server, "ada/mnist")
	part := func(from, to int) map[string]string {
		return map[string]string{"Content-Range": fmt.Sprintf("%d-%d", from, to-1)}
	}
	if answer, said := ask(t, "PATCH", at, part(0, 400_000), content[:400_000]); answer.StatusCode != 202 || answer.Header.Get("Range") != "0-399999" {
		t.Fatalf("first part: %s %v %s", answer.Status, answer.Header, said)
	}
	if answer, _ := ask(t, "PATCH", at, part(0, 400_000), content[:400_000]); answer.StatusCode != 416 {
		t.Errorf("the same part again: %s", answer.Status)
	}
	// Another program goes on with it.
	again := httptest.NewServer(registry.Handler(store.Host("weir.local")))
	defer again.Close()
	at = strings.Replace(at, server.URL, again.URL, 1)
	if answer, _ := ask(t, "GET", at, nil, nil); answer.StatusCode != 204 || answer.Header.Get("Range") != "0-399999" {
		t.Errorf("how much has come: %s %v", answer.Status, answer.Header)
	}
	// A client that breaks off leaves what has come.
	from, to := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "PATCH", at, from)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = to.Write(content[400_000:500_000])
		_ = to.CloseWithError(errors.New("broken off"))
	}()
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
		t.Error("a request that was broken off has an answer")
	}
	again.Close() // when what was under way has ended
	third := httptest.NewServer(registry.Handler(store.Host("weir.local")))
	defer third.Close()
	at = strings.Replace(at, again.URL, third.URL, 1)
	size := 0
	answer, _ := ask(t, "GET", at, nil, nil)
	if _, err := fmt.Sscanf(answer.Header.Get("Range"), "0-%d", &size); err != nil || size < 399_999 {
		t.Fatalf("what has come is %q, %v", answer.Header.Get("Range"), err)
	}
	size++
	sum := digest.FromBytes(content)
	if answer, said := ask(t, "PUT", at+"?digest="+sum.String(), part(size, len(content)), content[size:]); answer.StatusCode != 201 {
		t.Fatalf("the rest: %s %s", answer.Status, said)
	}
	answer, said := ask(t, "GET", third.URL+"/v2/ada/mnist/blobs/"+sum.String(), map[string]string{"Range": "bytes=999990-"}, nil)
	if answer.StatusCode != 206 || said != "0123456789" {
		t.Errorf("a part of it: %s %q", answer.Status, said)
	}
}

// A repository gives out what was put into it, and nothing else of the store. A blob
// may come from a repository of the same namespace.
func TestRepositoriesAreApart(t *testing.T) {
	_, server := serve(t)
	content := []byte("a secret of ada's")
	sum := digest.FromBytes(content).String()
	if answer, said := ask(t, "POST", server.URL+"/v2/ada/mnist/blobs/uploads/?digest="+sum, nil, content); answer.StatusCode != 201 {
		t.Fatalf("%s %s", answer.Status, said)
	}
	if answer, _ := ask(t, "GET", server.URL+"/v2/bob/mnist/blobs/"+sum, nil, nil); answer.StatusCode != 404 {
		t.Errorf("from another repository: %s", answer.Status)
	}
	if answer, _ := ask(t, "POST", server.URL+"/v2/bob/mnist/blobs/uploads/?mount="+sum+"&from=ada/mnist", nil, nil); answer.StatusCode != 202 {
		t.Errorf("mounted in another namespace: %s", answer.Status)
	}
	if answer, _ := ask(t, "POST", server.URL+"/v2/ada/other/blobs/uploads/?mount="+sum+"&from=ada/mnist", nil, nil); answer.StatusCode != 201 {
		t.Errorf("mounted in the same namespace: %s", answer.Status)
	}
	upload := begin(t, server, "ada/mnist")
	if answer, _ := ask(t, "PATCH", strings.Replace(upload, "/ada/", "/bob/", 1), nil, content); answer.StatusCode != 404 {
		t.Errorf("another repository's upload: %s", answer.Status)
	}
	manifest := `{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + sum + `","size":1}]}`
	if answer, said := ask(t, "PUT", server.URL+"/v2/bob/mnist/manifests/v1", nil, []byte(manifest)); answer.StatusCode != 201 {
		t.Errorf("an index of what is elsewhere: %s %s", answer.Status, said)
	}
	for _, kind := range []string{"blobs", "manifests"} {
		if answer, _ := ask(t, "GET", server.URL+"/v2/bob/mnist/"+kind+"/"+sum, nil, nil); answer.StatusCode != 404 {
			t.Errorf("by way of an index, from %s: %s", kind, answer.Status)
		}
	}
}

// Skopeo pushes and pulls, and what it pushed is an image.
func TestSkopeo(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo (a Debian package) is not here")
	}
	store, server := serve(t)
	from, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	made := image(t, from, "ada/box:v1")
	f, err := os.Create(filepath.Join(dir, "saved.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := from.Save(f, "ada/box:v1"); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	for _, args := range [][]string{
		{"copy", "--dest-tls-verify=false", "oci-archive:" + f.Name(), "docker://" + host + "/ada/box:v2"},
		{"copy", "--src-tls-verify=false", "docker://" + host + "/ada/box:v2", "oci:" + dir + "/pulled:v2"},
		{"copy", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://" + host + "/ada/box:v2", "docker://" + host + "/ada/again:v3"},
		{"copy", "--dest-tls-verify=false", "--format=v2s2", "oci-archive:" + f.Name(), "docker://" + host + "/ada/docker:v2"},
		{"delete", "--tls-verify=false", "docker://" + host + "/ada/again:v3"},
	} {
		out, err := exec.CommandContext(t.Context(), skopeo, append([]string{"--insecure-policy", "--tmpdir", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo %v: %v\n%s", args, err, out)
		}
	}
	for _, name := range []string{"weir.local/ada/box:v2", "weir.local/ada/docker:v2"} {
		if got, err := store.Find(name); err != nil || got.ID != made.ID {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := store.Find("weir.local/ada/again:v3"); err == nil {
		t.Error("what was deleted is still there")
	}
}
