package environment

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// link is a file in an index, with its hash.
var link = regexp.MustCompile(`href="([^"#]+)#sha256=([0-9a-f]{64})"`)

// platforms are the names that wheels have for this machine's architecture.
// (Nothing changes it.)
var platforms = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// fetchUV takes uv itself from the package index that the shell names, for a
// machine whose Python came without pip, and puts it into bin. pip and uv know
// an index by themselves; we do not.
func fetchUV(ctx context.Context, environ []string, bin string) error {
	index := cmp.Or(variable(environ, "UV_DEFAULT_INDEX"), variable(environ, "UV_INDEX_URL"))
	if index == "" {
		return errors.New("no index is named by UV_DEFAULT_INDEX")
	}
	page := strings.TrimSuffix(index, "/") + "/uv/"
	list, err := get(ctx, page)
	if err != nil {
		return err
	}
	var wheel, sum string
	for _, m := range link.FindAllStringSubmatch(string(list), -1) {
		file := path.Base(m[1])
		// Releases come in their order, and the static build runs on any libc.
		if strings.HasSuffix(file, "_"+platforms[runtime.GOARCH]+".whl") && strings.Contains(file, "musllinux") {
			wheel, sum = m[1], m[2]
		}
	}
	if wheel == "" {
		return fmt.Errorf("%s has no uv for %s", page, runtime.GOARCH)
	}
	base, err := url.Parse(page)
	if err != nil {
		return err
	}
	at, err := base.Parse(wheel)
	if err != nil {
		return err
	}
	data, err := get(ctx, at.String())
	if err != nil {
		return err
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
		return fmt.Errorf("%s is not what %s says it is", at, page)
	}
	return unpackUV(data, bin)
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", address, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// unpackUV takes the program out of its wheel.
func unpackUV(wheel []byte, bin string) error {
	z, err := zip.NewReader(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		return fmt.Errorf("open wheel of uv: %w", err)
	}
	for _, f := range z.File {
		if path.Base(f.Name) != "uv" || !strings.HasSuffix(path.Dir(f.Name), ".data/scripts") {
			continue
		}
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return err
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("unpack uv: %w", err)
		}
		return os.WriteFile(filepath.Join(bin, "uv"), data, 0o755)
	}
	return fmt.Errorf("no program in the wheel of uv")
}
