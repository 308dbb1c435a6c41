package environment

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSettingsOfPipReachUV(t *testing.T) {
	cases := map[string]struct {
		why     string
		environ []string
		config  string
		want    map[string]string
	}{
		"FromFile": {
			why:    "The company's index is in pip's file.",
			config: "[global]\nindex-url = https://index.local/simple\ncert=/etc/ca.pem\n# trusted-host = no\nextra_index_url =\n    https://a.local/simple\n    https://b.local/simple\n[list]\nformat = columns\n",
			want:   map[string]string{"UV_DEFAULT_INDEX": "https://index.local/simple", "SSL_CERT_FILE": "/etc/ca.pem", "UV_INDEX": "https://a.local/simple https://b.local/simple", "UV_INSECURE_HOST": ""},
		},
		"FromShell": {
			why:     "The shell comes before the file.",
			environ: []string{"PIP_INDEX_URL=https://shell.local/simple", "PIP_CERT=/shell.pem"},
			config:  "[install]\nindex-url=https://index.local/simple\n",
			want:    map[string]string{"UV_DEFAULT_INDEX": "https://shell.local/simple", "SSL_CERT_FILE": "/shell.pem"},
		},
		"OwnOfUV": {
			why:     "What uv was told itself counts.",
			environ: []string{"PIP_INDEX_URL=https://shell.local/simple", "UV_INDEX_URL=https://uv.local/simple", "SSL_CERT_FILE=/own.pem", "PIP_CERT=/shell.pem"},
			want:    map[string]string{"UV_DEFAULT_INDEX": "", "UV_INDEX_URL": "https://uv.local/simple", "SSL_CERT_FILE": "/own.pem"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			environ := forUV(c.environ, parsePipConfig(c.config))
			for k, want := range c.want {
				if got := variable(environ, k); got != want {
					t.Errorf("%s %s=%q, want %q", c.why, k, got, want)
				}
			}
		})
	}
}

// The user's file comes before the system's, and the one that the shell names
// before both.
func TestPipConfig(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(".config/pip/pip.conf", "[global]\nindex-url = https://user\ncert = /user.pem\n")
	named := write("named.conf", "[global]\nindex-url = https://named\n")
	got := pipConfig([]string{"HOME=" + home, "PIP_CONFIG_FILE=" + named})
	if got["index-url"] != "https://named" || got["cert"] != "/user.pem" {
		t.Errorf("settings %v, want the index of the named file and the user's certificate", got)
	}
}
