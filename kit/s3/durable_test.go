package s3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// serverDir makes the test's own program a server, for tests that kill it or
// watch what it asks of the kernel.
const serverDir = "WEIR_TEST_S3_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(serverDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		_, err = Start(context.Background(), Config{Dir: dir, Listeners: []net.Listener{l}, AccessKey: "access", SecretKey: "secret", Region: "us-east-1"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	select {}
}

// What was acknowledged is there after the program was killed, however often.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		c, kill := serveApart(t, dir)
		if round == 0 {
			makeBucket(t, c, "models")
		}
		for i := range 3 {
			key := fmt.Sprintf("round-%d/%d", round, i)
			put(t, c, "models", key, key)
			want = append(want, key)
		}
		kill()
	}
	c, _ := serveApart(t, dir)
	if diff := cmp.Diff(want, list(t, c, "models", "")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, key := range want {
		if got := get(t, c, "models", key); got != key {
			t.Errorf("%s holds %q", key, got)
		}
	}
}

// The order in which the kernel is asked is the proof that a power cut takes
// nothing: the content is on the disk before it gets the name, the name and its
// folders are before the answer goes out.
func TestSyncedBeforeAnswer(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace on the PATH, with which to see what the server asks of the kernel")
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	c, _ := serveApart(t, filepath.Join(dir, "s3"), strace, "-f", "-y", "-s", "40", "-o", trace,
		"-e", "trace=fsync,linkat,renameat,unlinkat,unlink,mkdirat,mkdir,write,writev,sendto", "--")
	makeBucket(t, c, "models")
	put(t, c, "models", "digits/weights", "content")
	put(t, c, "models", "digits/weights", "content that takes its place")
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("models"), Key: aws.String("digits/weights")}); err != nil {
		t.Fatal(err)
	}

	buckets := regexp.QuoteMeta(filepath.Join(dir, "s3", "buckets"))
	answer := `write\(.*"HTTP/1.1 20[04]`
	// Content waits in a file without a name, or with one that nobody asks for.
	content := `fsync\(.*` + buckets + `/models/\.sgwtmp/.*= 0`
	named := `(linkat|renameat)\(.*weights"[^"]*= 0`
	for name, c := range map[string]struct {
		why   string
		calls []string
	}{
		"Bucket":  {"a bucket's folder is in the root", []string{`mkdirat?\(.*"models"`, `fsync\(.*` + buckets + `/models>\).*= 0`, `fsync\(.*` + buckets + `>\).*= 0`, answer}},
		"Object":  {"the content comes before the name, and the name before the answer", []string{content, named, `fsync\(.*/digits/weights>\).*= 0`, `fsync\(.*/models/digits>\).*= 0`, `fsync\(.*/models>\).*= 0`, answer}},
		"Replace": {"what had the name is there until what follows it is", []string{named, answer, content, named, `fsync\(.*/models/digits>\).*= 0`, answer}},
		"Delete":  {"an object does not come back", []string{`unlinkat?\(.*digits/weights"`, `fsync\(.*/models>\).*= 0`, answer}},
	} {
		t.Run(name, func(t *testing.T) {
			missed := inOrder(t, trace, c.calls)
			for end := time.Now().Add(5 * time.Second); missed != "" && time.Now().Before(end); { // strace may be behind
				missed = inOrder(t, trace, c.calls)
			}
			if missed != "" {
				data, _ := os.ReadFile(trace)
				t.Errorf("%s: no %s in its place in\n%s", c.why, missed, data)
			}
		})
	}
}

// unfinished is how strace ends the line of a call that another thread's comes
// between, and resumed how the rest of it begins.
var unfinished, resumed = " <unfinished ...>", regexp.MustCompile(`^(\d+) <\.\.\. \w+ resumed>`)

// inOrder looks for calls in a trace, one after the other, and returns the first
// that is not there. A call in two lines is found where it begins as far as that
// goes, and whole where it ends.
func inOrder(t *testing.T, trace string, calls []string) string {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, begun := bufio.NewScanner(f), map[string]string{} // of each thread
	for _, call := range calls {
		pattern := regexp.MustCompile(call)
		found := false
		for !found && lines.Scan() {
			line := lines.Text()
			if rest := resumed.FindStringSubmatch(line); rest != nil {
				line = begun[rest[1]] + line[len(rest[0]):]
			}
			if begins, ok := strings.CutSuffix(line, unfinished); ok {
				thread, _, _ := strings.Cut(line, " ")
				begun[thread] = begins
			}
			found = pattern.MatchString(line)
		}
		if !found {
			return call
		}
	}
	return ""
}

// A disk that fails is said, and not acknowledged.
func TestFailingDisk(t *testing.T) {
	broken := errors.New("input/output error")
	d := &durable{root: "/buckets", sync: func(path string) error {
		if path == "/buckets/models" {
			return broken
		}
		return nil
	}}
	if err := d.keep("models", "a/b"); !errors.Is(err, broken) {
		t.Errorf("got %v, want what the disk said", err)
	}
}

// What is below a name that is gone was deleted by somebody else meanwhile.
func TestGoneMeanwhile(t *testing.T) {
	var synced []string
	d := &durable{root: "/buckets", sync: func(path string) error {
		if strings.HasPrefix(path, "/buckets/models/a") {
			return syscall.ENOENT
		}
		synced = append(synced, path)
		return nil
	}}
	if err := d.keep("models", "a/b"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/buckets/models", "/buckets"}, synced); diff != "" {
		t.Errorf("synced (-want +got):\n%s", diff)
	}
}

// serveApart starts a server in a process of its own, perhaps under another
// program, and returns what kills it.
func serveApart(t *testing.T, dir string, under ...string) (*s3.Client, func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(under, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), serverDir+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the server said no address:", err)
	}
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + strings.TrimSpace(address)), Region: "us-east-1", UsePathStyle: true,
		Credentials: keys("access", "secret"), HTTPClient: &http.Client{},
	}), kill
}

// A call that strace tells of in two lines is one, which is over where it ends.
func TestCallsInTwoLines(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	err := os.WriteFile(trace, []byte(`7 renameat(14</models>, ".weights", 14</models>, "weights" <unfinished ...>
8 write(9<socket:[1]>, "HTTP/1.1 200 OK"..., 428 <unfinished ...>
7 <... renameat resumed>)           = 0
7 fsync(11</models> <unfinished ...>
8 <... write resumed>)              = 428
7 <... fsync resumed>)              = 0
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const renamed, synced, answered = `renameat\(.*weights"[^"]*= 0`, `fsync\(.*/models>\).*= 0`, `write\(.*"HTTP/1.1 200`
	for _, c := range []struct {
		calls  []string
		missed string
	}{
		{[]string{renamed, synced}, ""},
		{[]string{answered, renamed, synced}, ""},
		{[]string{synced, answered}, answered},
		{[]string{renamed, renamed}, renamed},
	} {
		if got := inOrder(t, trace, c.calls); got != c.missed {
			t.Errorf("of %q there is no %q, want %q", c.calls, got, c.missed)
		}
	}
}
