package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/kit/oci"
)

// machine makes a root of a machine with these files. A mode is 0644 unless the
// name ends with "!": then only its owner may read it. A content that begins
// with "->" is a link.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if name, secret := strings.CutSuffix(name, "!"); secret {
			files[name], mode = content, 0o600
		}
		path := filepath.Join(root, strings.TrimSuffix(name, "!"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, isLink := strings.CutPrefix(content, "->"); isLink {
			if err := os.Symlink(to, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// etcOf lists the files in a base's /etc, but not those that are made.
func etcOf(t *testing.T, base string) map[string]string {
	t.Helper()
	etc := map[string]string{}
	root := filepath.Join(base, "root", "etc")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		switch name {
		case "passwd", "group", "hosts", "hostname", "resolv.conf", "mtab":
			return nil
		}
		if to, err := os.Readlink(p); err == nil {
			etc[name] = "->" + to
			return nil
		}
		b, err := os.ReadFile(p)
		etc[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return etc
}

func TestEtc(t *testing.T) {
	const key = "-----BEGIN PRIVATE KEY-----\n"
	for name, c := range map[string]struct {
		why     string
		machine map[string]string
		want    map[string]string
	}{
		"Harmless":   {why: "What programs need is there, links as links.", machine: map[string]string{"etc/nsswitch.conf": "hosts: files", "etc/alternatives/java": "->/usr/bin/java", "etc/localtime": "->/usr/share/zoneinfo/UTC"}, want: map[string]string{"nsswitch.conf": "hosts: files", "alternatives/java": "->/usr/bin/java", "localtime": "->/usr/share/zoneinfo/UTC"}},
		"Others":     {why: "What is not known to be harmless is not.", machine: map[string]string{"etc/shadow": "x", "etc/sudoers": "x", "etc/ssh/sshd_config": "x", "etc/krb5.keytab": "x", "etc/mail.rc": "x", "etc/environment": "TOKEN=x"}, want: map[string]string{}},
		"Secrets":    {why: "Of what is harmless, only what everybody may read.", machine: map[string]string{"etc/ssl/openssl.cnf!": "x", "etc/profile": "y"}, want: map[string]string{"profile": "y"}},
		"Keys":       {why: "A private key is none of a container's business, wherever it lies.", machine: map[string]string{"etc/ssl/certs/ca.pem": "cert", "etc/ssl/certs/both.pem": "cert\n" + key, "etc/ssl/private/key.pem": key}, want: map[string]string{"ssl/certs/ca.pem": "cert"}},
		"PipConf":    {why: "The machine's package index can be used.", machine: map[string]string{"etc/pip.conf": "index-url = https://index/simple"}, want: map[string]string{"pip.conf": "index-url = https://index/simple"}},
		"PipSecrets": {why: "Unless its address has a password.", machine: map[string]string{"etc/pip.conf": "index-url = https://ada:secret@index/simple"}, want: map[string]string{}},
		"Users":      {why: "The machine's users are its own.", machine: map[string]string{"etc/passwd": "ada:x:1000:1000::/home/ada:/bin/sh"}, want: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			base := filepath.Join(t.TempDir(), "base")
			if _, err := Prepare(base, Options{Machine: machine(t, c.machine)}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, etcOf(t, base)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, diff)
			}
			passwd, err := os.ReadFile(filepath.Join(base, "root/etc/passwd"))
			if err != nil || strings.Contains(string(passwd), "ada") {
				t.Errorf("passwd: %s, %v", passwd, err)
			}
		})
	}
}

// System folders are layers of their own, or links as on the machine; nothing
// else of the machine is.
func TestLayers(t *testing.T) {
	root := machine(t, map[string]string{"usr/bin/x": "", "opt/y": "", "lib64/z": "", "bin": "->usr/bin", "home/ada/secret": "", "data/set": ""})
	dir := filepath.Join(t.TempDir(), "base")
	b, err := Prepare(dir, Options{Machine: root})
	if err != nil {
		t.Fatal(err)
	}
	image := &Image{Folders: []Folder{{Source: "/env", Target: "/opt/environment"}, {Source: "/python", Target: "/python", CopyOnWrite: true}}}
	r, err := b.New(filepath.Join(t.TempDir(), "root"), image)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Show(image); err != nil {
		t.Fatal(err)
	}
	want := []Layer{
		{Target: "/", Lower: dir + "/root", Upper: r.Dir + "/upper/root", Work: r.Dir + "/work/root"},
		{Target: "/usr", Lower: "/usr", Upper: r.Dir + "/upper/usr", Work: r.Dir + "/work/usr"},
		{Target: "/opt", Lower: "/opt", Upper: r.Dir + "/upper/opt", Work: r.Dir + "/work/opt"},
		{Target: "/lib64", Lower: "/lib64", Upper: r.Dir + "/upper/lib64", Work: r.Dir + "/work/lib64"},
		{Target: "/opt/environment", Lower: "/env"},
		{Target: "/python", Lower: "/python", Upper: r.Dir + "/upper/image-1", Work: r.Dir + "/work/image-1"},
	}
	if diff := cmp.Diff(want, r.Layers); diff != "" {
		t.Errorf("layers (-want +got)\n%s", diff)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff(strings.Fields("bin dev etc home lib64 media mnt opt proc root run srv sys tmp usr var"), names); diff != "" {
		t.Errorf("root (-want +got)\n%s", diff)
	}
	if to, err := os.Readlink(filepath.Join(dir, "root/bin")); to != "usr/bin" {
		t.Errorf("bin is a link to %q, %v", to, err)
	}
}

// Where the machine's folders belong to nobody who exists, containers get their
// own in the places where people write.
func TestForeignFolders(t *testing.T) {
	root := machine(t, map[string]string{"usr/bin/x": "", "usr/local/lib/y": "", "usr/share": "->lib"})
	b, err := Prepare(filepath.Join(t.TempDir(), "base"), Options{Machine: root, Foreign: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.New(filepath.Join(t.TempDir(), "root"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	err = fs.WalkDir(os.DirFS(filepath.Join(r.Dir, "upper/usr")), ".", func(p string, _ fs.DirEntry, err error) error {
		made = append(made, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{".", "bin", "local", "local/lib"}, made); diff != "" {
		t.Errorf("folders over the machine's (-want +got)\n%s", diff)
	}
}

// Where no overlay can be mounted, system folders are read-only, the root is a
// copy of the base, and both are said.
func TestWithoutOverlays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "base")
	refuse := func(l Layer) error { return errors.New("refused") }
	b, err := Prepare(dir, Options{Machine: machine(t, map[string]string{"usr/bin/x": "", "etc/profile": "p"}), Mountable: refuse, Roots: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Each container's root is a copy, which takes longer to make: no overlay can be mounted here (refused).",
		"/usr is read-only in containers: no overlay of it can be mounted (refused).",
	}
	if diff := cmp.Diff(want, b.Missing()); diff != "" {
		t.Errorf("missing (-want +got)\n%s", diff)
	}
	r, err := b.New(filepath.Join(t.TempDir(), "c"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(r.Layers[0].Lower, "etc/profile")); err != nil || string(got) != "p" {
		t.Errorf("the copy has %q, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(r.Layers[0].Lower, "tmp")); err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
		t.Errorf("/tmp is %v, %v", info, err)
	}
	if r.Layers[1].Upper != "" {
		t.Errorf("layer %+v, want a read-only one", r.Layers[1])
	}
}

// Nor is there one for an image: its root is a copy, of which the volumes are a part.
func TestImageWithoutOverlays(t *testing.T) {
	b, err := Prepare(filepath.Join(t.TempDir(), "base"), Options{Machine: machine(t, nil), Mountable: func(Layer) error { return errors.New("refused") }, Roots: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	store := storeIn(t)
	images := NewImages(nil, store)
	made(t, store, "ada/box", "content")
	image, err := images.Pull(t.Context(), "ada/box", oci.Remote{}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	image.Volumes = []string{"/data"}
	r, err := b.New(filepath.Join(t.TempDir(), "c"), image)
	if err != nil {
		t.Fatal(err)
	}
	own := r.Layers[0].Lower
	if got, err := os.ReadFile(filepath.Join(own, "file")); err != nil || string(got) != "content" {
		t.Errorf("the copy has %q, %v", got, err)
	}
	volumes, err := r.Volumes(image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Layer{{Target: "/data", Lower: filepath.Join(own, "data")}}, volumes); diff != "" {
		t.Errorf("volumes (-want +got)\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(own, "file"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(image.Layers[0], "file")); err != nil || string(got) != "content" {
		t.Errorf("what a container writes is in the image: %q, %v", got, err)
	}
}

func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		why  string
		own  Own
		file string
		want string
	}{
		"Hostname":  {why: "The pod's name.", own: Own{Hostname: "pod-1"}, file: "/etc/hostname", want: "pod-1\n"},
		"Resolv":    {why: "The pod's name servers.", own: Own{ResolvConf: []byte("nameserver 1.2.3.4\n")}, file: "/etc/resolv.conf", want: "nameserver 1.2.3.4\n"},
		"Root":      {why: "Root is in the base.", file: "/etc/passwd"},
		"User":      {why: "Another user has a name.", own: Own{UID: 1000, GID: 100}, file: "/etc/passwd", want: passwdOf(0, 0) + "user:x:1000:100:user:/home/user:/bin/sh\n"},
		"RootGroup": {why: "Another user in root's group does not rename it.", own: Own{UID: 1000}, file: "/etc/group", want: groupOf(0, 0)},
		"Group":     {why: "And a group.", own: Own{UID: 1, GID: 77}, file: "/etc/group", want: strings.Replace(groupOf(0, 0), "users:x:100:", "group:x:77:\nusers:x:100:", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, string(Files(c.own)[c.file])); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, diff)
			}
		})
	}
}
