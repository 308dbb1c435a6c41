package container

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Files are looked at inside the container alone, and by the rights of its user.
func TestLook(t *testing.T) {
	r := runtimeOf(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("not the container's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := shell(t, `
		mkdir -p /tmp/open /tmp/shut && echo inside > /tmp/open/file && echo hidden > /tmp/shut/file && chmod 700 /tmp/shut
		echo secret > /tmp/open/secret && chmod 600 /tmp/open/secret
		ln -s file /tmp/open/link; ln -s /tmp/open/file /tmp/absolute; ln -s ../../../../../../tmp/open/file /tmp/up
		ln -s /tmp/shut/file /tmp/open/shut; ln -s around /tmp/around; mkfifo /tmp/pipe
		ln -s `+outside+` /tmp/outside; touch /tmp/done; sleep 1000`)
	root, _ := start(t, r, s)
	defer root.Remove()
	waitFor(t, "the files are there", func() bool {
		f, err := root.Look("/tmp/done")
		if err == nil {
			f.Close()
		}
		return err == nil
	})
	anyone := &Container{spec: Spec{UID: 1000, GID: 1000}, rootDir: root.rootDir} // in the same root

	for name, c := range map[string]struct {
		why  string
		by   *Container
		path string
		want string
		err  error
	}{
		"File":         {why: "A file is read.", by: root, path: "/tmp/open/file", want: "inside\n"},
		"Link":         {why: "So is what a link means.", by: root, path: "/tmp/open/link", want: "inside\n"},
		"Absolute":     {why: "A link from the root means the container's.", by: root, path: "/tmp/absolute", want: "inside\n"},
		"Above":        {why: "Above the root is the root.", by: root, path: "/tmp/up", want: "inside\n"},
		"Dots":         {why: "Also in what is asked for.", by: root, path: "../../tmp/open/../open/./file", want: "inside\n"},
		"Outside":      {why: "The machine's files are not there.", by: root, path: "/tmp/outside", err: os.ErrNotExist},
		"Around":       {why: "Links that go around end.", by: root, path: "/tmp/around", err: unix.ELOOP},
		"Pipe":         {why: "What is no file is not waited for.", by: root, path: "/tmp/pipe", err: ErrNoFile},
		"Device":       {why: "Nor is a device opened.", by: root, path: "/dev/zero", err: ErrNoFile},
		"Kernel":       {why: "What the kernel would tell this program is not told.", by: root, path: "/proc/1/environ", err: ErrNoFile},
		"OtherRoot":    {why: "Nor does a process of this machine lead anywhere.", by: root, path: "/proc/self/root/etc/hostname", err: os.ErrNotExist},
		"RootReads":    {why: "Its root reads all that there is.", by: root, path: "/tmp/open/shut", want: "hidden\n"},
		"AnyoneReads":  {why: "Another user reads what all may.", by: anyone, path: "/tmp/absolute", want: "inside\n"},
		"AnyoneSecret": {why: "And not what is another's.", by: anyone, path: "/tmp/open/secret", err: os.ErrPermission},
		"AnyoneShut":   {why: "Nor what lies in another's folder, by whatever link.", by: anyone, path: "/tmp/open/shut", err: os.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := c.by.Look(c.path)
			if !errors.Is(err, c.err) {
				t.Fatalf("%s %v, want %v", c.why, err, c.err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if b, err := io.ReadAll(f); err != nil || string(b) != c.want {
				t.Errorf("%s %q, %v; want %q", c.why, b, err, c.want)
			}
		})
	}
	if err := root.Kill(); err != nil {
		t.Fatal(err)
	}
	root.Wait()
	if f, err := root.Look("/tmp/open/file"); err == nil {
		f.Close()
		t.Error("the files of a container that has ended are shown")
	}
}
