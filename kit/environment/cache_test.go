package environment

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCache(t *testing.T) {
	s := newStore(t, Options{})
	home := t.TempDir()
	cases := map[string]struct {
		why     string
		environ []string
		want    string
	}{
		"Users":         {"What other projects fetched is there.", []string{"HOME=" + home}, filepath.Join(home, ".cache/uv")},
		"XDG":           {"", []string{"HOME=/x", "XDG_CACHE_HOME=" + home}, filepath.Join(home, "uv")},
		"Named":         {"Who names one means it.", []string{"HOME=" + home, "UV_CACHE_DIR=/elsewhere"}, "/elsewhere"},
		"OtherDisk":     {"Files cannot be linked across file systems.", []string{"HOME=/dev/shm"}, s.path("cache")},
		"NoHome":        {"A service has no home.", nil, s.path("cache")},
		"NothingToFind": {"", []string{"HOME=relative"}, s.path("cache")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := s.cacheFor(c.environ); got != c.want {
				t.Errorf("%s cache %s, want %s", c.why, got, c.want)
			}
		})
	}

	if os.Getuid() == 0 {
		return // root writes everywhere
	}
	if got := s.cacheFor([]string{"HOME=/"}); got != s.path("cache") {
		t.Errorf("cache %s, though it cannot be written", got)
	}
}

func TestInterpretersFolders(t *testing.T) {
	cases := map[string]struct {
		why, base string
		want      int
	}{
		"System":  {"Every container sees /usr.", "/usr", 0},
		"Local":   {"", "/usr/local", 0},
		"Hidden":  {"A version manager's lies under a home.", "/home/ada/.pyenv/versions/3.11.7", 1},
		"Alike":   {"A name that begins the same is another.", "/usr2/python", 1},
		"Company": {"", "/opt/python3.12", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := interpreter{Base: c.base}.folders()
			if len(got) != c.want || c.want == 1 && got[0] != (Folder{Source: c.base, Target: c.base}) {
				t.Errorf("%s folders %v, want %d: the base, read-only", c.why, got, c.want)
			}
		})
	}
}
