package packaging

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What looks like a secret is left out, and said; what only looks so by half is
// not; and what somebody asks for is taken.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a1B2", 12)
	for name, text := range map[string]string{
		"train.py": "import os\nos.environ['HF_TOKEN']\n", ".env": "A=b\n", ".env.example": "A=\n", "conf/.env.local": "A=b\n", "keys/id_rsa": "x", "tls/server.pem": "x",
		"aws.py": "key = 'AKIA" + strings.Repeat("Q", 16) + "'\n", "gh.txt": "ghp_" + long[:36] + "\n", "hf.ini": "hf_" + strings.Repeat("a", 34), "llm.cfg": "sk-proj-" + long,
		"key.txt": "-----BEGIN RSA PRIVATE KEY-----\n", "public.txt": "-----BEGIN PUBLIC KEY-----\n", "sk-short.txt": "sk-learn is not a key\n",
		"model.bin": "\x00AKIA" + strings.Repeat("Q", 16), "tokenizer.json": "{}", "keys.csv": "a,b\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	f, err := Read(dir, Options{Secrets: []string{"conf/.env.local"}})
	if err != nil {
		t.Fatal(err)
	}
	var kept, left []string
	for _, file := range f.Files {
		kept = append(kept, file.Name)
	}
	for _, s := range f.Secrets {
		left = append(left, s.Name+" "+s.Why)
	}
	if diff := cmp.Diff([]string{".env.example", "conf/.env.local", "keys.csv", "model.bin", "public.txt", "sk-short.txt", "tokenizer.json", "train.py"}, kept); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		".env is a file of variables, which are secrets more often than not", "aws.py holds a key of AWS", "gh.txt holds a token of GitHub", "hf.ini holds a token of Hugging Face",
		"key.txt holds a private key", "keys/id_rsa is a key of ssh", "llm.cfg holds a key of a language model's API", "tls/server.pem is a key or a certificate",
	}, left); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

func TestRead(t *testing.T) {
	cases := map[string]struct {
		why  string
		make func(dir string) error
		err  string
	}{
		"LinkOut": {
			why:  "A link out of the folder leads nowhere in a pod.",
			make: func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "data")) },
			err:  "data is a link to /etc/passwd, which is not in the folder: copy it, or name it in .weirignore",
		},
		"LinkUp": {
			make: func(dir string) error { return os.Symlink("../other", filepath.Join(dir, "data")) },
			err:  "data is a link to ../other, which is not in the folder",
		},
		"LinkWithin": {
			make: func(dir string) error { return os.Symlink("train.py", filepath.Join(dir, "main.py")) },
		},
		"Environment": {
			why:  "An environment of Python is found by what is in it, whatever it is called.",
			make: func(dir string) error { return makeFile(filepath.Join(dir, "my env", "pyvenv.cfg")) },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "train.py"), "")
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			f, err := Read(dir, Options{})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: %v, want %s", c.why, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range f.Files {
				if strings.Contains(file.Name, "pyvenv") {
					t.Errorf("%s: %s is there", c.why, file.Name)
				}
			}
		})
	}
	if _, err := Read("/", Options{}); err == nil {
		t.Error("the whole machine is taken for a program")
	}
}

func makeFile(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, nil, 0o644)
}

// The same files are the same bytes, whenever they were written; others are others.
func TestPack(t *testing.T) {
	pack := func(change func(dir string)) (*Bundle, []byte) {
		t.Helper()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "train.py"), "print('ü')\n")
		write(t, filepath.Join(dir, "with space/ünïcode.txt"), "x")
		if err := os.Symlink("train.py", filepath.Join(dir, "main.py")); err != nil {
			t.Fatal(err)
		}
		change(dir)
		b := packed(t, dir)
		var out bytes.Buffer
		if n, err := b.WriteTo(&out); err != nil || n != b.Size {
			t.Fatalf("%d bytes, %v; want %d", n, err, b.Size)
		}
		return b, out.Bytes()
	}
	one, text := pack(func(string) {})
	same := map[string]func(dir string){
		"Later": func(dir string) {
			if err := os.Chtimes(filepath.Join(dir, "train.py"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		},
		"OthersMayNot": func(dir string) { chmod(t, filepath.Join(dir, "train.py"), 0o600) },
		"Ignored":      func(dir string) { write(t, filepath.Join(dir, "__pycache__/train.pyc"), "x") },
	}
	for name, change := range same {
		if b, _ := pack(change); b.Digest != one.Digest {
			t.Errorf("%s: it is another bundle", name)
		}
	}
	different := map[string]func(dir string){
		"Content":    func(dir string) { write(t, filepath.Join(dir, "train.py"), "print('u')\n") },
		"Name":       func(dir string) { write(t, filepath.Join(dir, "more.py"), "") },
		"Executable": func(dir string) { chmod(t, filepath.Join(dir, "train.py"), 0o755) },
	}
	for name, change := range different {
		if b, _ := pack(change); b.Digest == one.Digest {
			t.Errorf("%s: it is the same bundle", name)
		}
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s %o %s", h.Name, h.Mode, h.Linkname))
	}
	if diff := cmp.Diff([]string{"main.py 777 train.py", "train.py 644 ", "with space/ünïcode.txt 644 "}, names); diff != "" {
		t.Errorf("tar (-want +got):\n%s", diff)
	}
}

// Files that change between the packing and the sending are noticed.
func TestPackOfWhatChanges(t *testing.T) {
	dir := t.TempDir()
	for name, change := range map[string]func(file string){
		"Same length": func(file string) { write(t, file, "efgh") },
		"Shorter":     func(file string) { write(t, file, "a") },
	} {
		file := filepath.Join(dir, "train.py")
		write(t, file, "abcd")
		b := packed(t, dir)
		change(file)
		if _, err := b.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), "try again") {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}

// packed is a folder as it is carried.
func packed(t *testing.T, dir string) *Bundle {
	t.Helper()
	f, err := Read(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Pack(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLargest(t *testing.T) {
	f := Folder{Files: []File{{Name: "a.py", Size: 1}, {Name: "data/x", Size: 10}, {Name: "data/y/z", Size: 10}, {Name: "b.bin", Size: 15}}}
	if diff := cmp.Diff([]Part{{"data/", 20}, {"b.bin", 15}}, f.Largest(2)); diff != "" {
		t.Errorf("largest (-want +got):\n%s", diff)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}
