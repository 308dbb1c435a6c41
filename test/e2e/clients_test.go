package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A registryClient is somebody's program that pushes images and pulls them. In its
// commands stand IMAGE, HOST, TOKEN, FILE (an archive to push), BACK (where to pull
// to), HOME (a folder of its own).
type registryClient struct {
	why, program, from string
	push, pull         []string
	says               string // a part of what the last pull prints; "" is an archive in BACK
}

// What each client that people have does with a registry it does with the front door,
// with a token as the password, and the image that it brings runs.
func TestClientsOfTheRegistry(t *testing.T) {
	t.Parallel()
	const own = " --root HOME/root --runroot HOME/run --storage-driver vfs "
	for name, c := range map[string]registryClient{
		"Skopeo": {
			why: "It goes from archive to archive.", program: "skopeo", from: "a Debian package",
			push: []string{"skopeo --insecure-policy --tmpdir HOME copy --dest-tls-verify=false --dest-creds=any:TOKEN oci-archive:FILE docker://IMAGE"},
			pull: []string{"skopeo --insecure-policy --tmpdir HOME copy --src-tls-verify=false --src-creds=any:TOKEN docker://IMAGE oci-archive:BACK"},
		},
		"Podman": {
			why: "It unpacks what it pulls, and packs it again.", program: "podman", from: "a Debian package",
			push: []string{"podman" + own + "load --input FILE", "podman" + own + "tag ada/box:v1 IMAGE", "podman" + own + "push --tls-verify=false --creds any:TOKEN IMAGE"},
			pull: []string{"podman" + own + "rmi --all --force", "podman" + own + "pull --tls-verify=false --creds any:TOKEN IMAGE", "podman" + own + "save --format oci-archive --output BACK IMAGE"},
		},
		"Buildah": {
			why: "It signs in first, and pushes what it has made.", program: "buildah", from: "a Debian package",
			push: []string{
				"buildah login --tls-verify=false --username any --password TOKEN HOST", "buildah" + own + "from --name work --signature-policy HOME/policy.json oci-archive:FILE",
				"buildah" + own + "config --label by=buildah work", "buildah" + own + "commit --signature-policy HOME/policy.json work made", "buildah" + own + "push --signature-policy HOME/policy.json --tls-verify=false made docker://IMAGE",
			},
			pull: []string{"buildah" + own + "pull --signature-policy HOME/policy.json --tls-verify=false IMAGE", "buildah" + own + "push --signature-policy HOME/policy.json IMAGE oci-archive:BACK"},
		},
		"Crane": {
			why: "It looks before it sends, and asks for all at once.", program: "crane", from: "go install github.com/google/go-containerregistry/cmd/crane@v0.20.6",
			push: []string{"crane auth login --username any --password TOKEN HOST", "crane push FILE IMAGE"},
			pull: []string{"crane validate --remote IMAGE", "crane pull --format tarball IMAGE BACK"},
		},
		"Docker": {
			why: "Without its daemon it signs in and reads and writes manifests; pushing is the daemon's.", program: "docker", from: "docker's client",
			push: []string{"docker login --username any --password TOKEN HOST", "SELF image load FILE", "SELF image tag ada/box:v1 IMAGE"},
			pull: []string{"docker manifest create --insecure LIST IMAGE", "docker manifest push --insecure LIST", "docker manifest inspect --insecure LIST"}, says: "application/vnd.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skipf("%s (%s) is not on this machine", c.program, c.from)
			}
			s := begin(t)
			host := strings.Replace(strings.TrimPrefix(s.weir.is(t).Front.URL, "http://"), "127.0.0.1", "localhost", 1)
			home, err := os.MkdirTemp("", "home-") // Podman wants a short name.
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(home)
			write(t, filepath.Join(home, "policy.json"), `{"default": [{"type": "insecureAcceptAnything"}]}`)
			write(t, filepath.Join(home, "auth.json"), "{}")
			words := strings.NewReplacer(
				"IMAGE", host+"/"+s.namespace+"/box:v1", "LIST", host+"/"+s.namespace+"/list:v1", "HOST", host, "HOME", home,
				"TOKEN", strings.TrimSpace(s.weir.must(t, "token", "create", s.namespace, "--scope", "images")),
				"FILE", boxArchive(t, "ada/box:v1"), "BACK", filepath.Join(home, "back.tar"),
			)
			var out []byte
			for _, line := range append(c.push, c.pull...) {
				args := strings.Fields(words.Replace(line))
				if args[0] == "SELF" {
					s.weir.must(t, args[1:]...)
					continue
				}
				command := exec.CommandContext(t.Context(), args[0], args[1:]...)
				command.Env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG="+home, "XDG_RUNTIME_DIR="+home, "REGISTRY_AUTH_FILE="+filepath.Join(home, "auth.json"),
					"TMPDIR="+home, "BUILDAH_ISOLATION=chroot", "DOCKER_HOST=unix://"+home+"/none")
				if out, err = command.CombinedOutput(); err != nil {
					t.Fatalf("%s: %s: %v\n%s", c.why, line, err, out)
				}
			}
			if c.says != "" && !strings.Contains(string(out), c.says) {
				t.Errorf("%s It says %s", c.why, out)
			}
			if c.says == "" {
				s.isImage(filepath.Join(home, "back.tar"), words.Replace("IMAGE"))
			}
			s.runsImage(words.Replace("IMAGE"))
		})
	}
}

// isImage looks whether an archive is of an image that weir has, by its layers.
func (s *story) isImage(archive, image string) {
	s.Helper()
	layers := func(name string) string {
		var is struct {
			Config struct {
				RootFS json.RawMessage `json:"rootfs"`
			} `json:"config"`
		}
		if err := json.Unmarshal([]byte(s.weir.must(s.T, "image", "inspect", name)), &is); err != nil {
			s.Fatal(err)
		}
		return string(is.Config.RootFS)
	}
	back := "back/" + s.namespace + ":v1"
	s.weir.must(s.T, "image", "load", archive, "--tag", back)
	if got, want := layers(back), layers(image); got != want {
		s.Errorf("what was pulled has layers %s, and what was pushed %s", got, want)
	}
}
