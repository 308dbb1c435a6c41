package environment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// A source is a file of Python, and where what it is compiled to lies.
type source struct {
	compiled string // as Python looks for it
	kept     string // for environments to come
}

// compile compiles what an environment imports. Containers keep what they write to
// themselves, so each would compile all it imports at each start: four seconds for
// TensorFlow. What was compiled for another environment is taken from there: uv links the
// files of all from one cache, so they are the same to the time of their writing, which
// Python compares.
func (s *Store) compile(ctx context.Context, u uv, python interpreter, files string, progress func(string)) error {
	tag, err := u.command(ctx, python.Executable, "-I", "-c", "import sys; print(sys.implementation.cache_tag)").Output()
	if err != nil {
		return err
	}
	var missing []source
	all, err := s.sources(ctx, strings.TrimSpace(string(tag)), python.Version, files)
	if err != nil {
		return err
	}
	for _, f := range all {
		there, err := f.take()
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	began := time.Now()
	progress(fmt.Sprintf("compiling %d files", len(missing)))
	// It passes over what is compiled. What cannot be compiled is told by who imports it.
	cmd := u.command(ctx, python.Executable, "-I", "-m", "compileall", "-q", "-j", "0", filepath.Join(files, "lib"))
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		return errors.Join(ctx.Err(), err, errors.New(string(out)))
	}
	progress(fmt.Sprintf("compiled %d files in %.1fs", len(missing), time.Since(began).Seconds()))
	for _, f := range missing {
		if err := f.keep(); err != nil {
			return err
		}
	}
	return s.forgetCompiled()
}

// sources are the files of Python in an environment. A tag is how the interpreter names
// what it compiles.
func (s *Store) sources(ctx context.Context, tag, version, files string) ([]source, error) {
	var paths []string
	err := filepath.WalkDir(filepath.Join(files, "lib"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".py") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make([]source, len(paths))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for n, path := range paths {
		work.Go(func() error {
			key, err := keyOfSource(path)
			if err != nil {
				return err
			}
			name := strings.TrimSuffix(filepath.Base(path), ".py")
			all[n] = source{
				compiled: filepath.Join(filepath.Dir(path), "__pycache__", name+"."+tag+".pyc"),
				kept:     s.path(bytecode, tag+"-"+version, key[:2], key[2:]),
			}
			return ctx.Err()
		})
	}
	return all, work.Wait()
}

const bytecode = "bytecode"

// keyOfSource is of what a file holds and when it was written, which what it is compiled
// to has noted.
func keyOfSource(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, info.ModTime().Unix())
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// take takes what is kept, and says whether there was anything.
func (f source) take() (bool, error) {
	info, err := os.Stat(f.kept)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || info.Size() == 0 { // it cannot be compiled
		return err == nil, err
	}
	if err := os.MkdirAll(filepath.Dir(f.compiled), 0o755); err != nil {
		return false, err
	}
	return true, os.Link(f.kept, f.compiled)
}

// keep keeps what came of a file, nothing where it cannot be compiled.
func (f source) keep() error {
	if err := os.MkdirAll(filepath.Dir(f.kept), 0o755); err != nil {
		return err
	}
	err := os.Link(f.compiled, f.kept)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(f.kept, nil, 0o644)
	}
	if errors.Is(err, fs.ErrExist) { // another environment is built too
		return nil
	}
	return err
}

// compiledLasts is how long what is compiled stays that no environment has.
const compiledLasts = 30 * 24 * time.Hour

// forgetCompiled removes what no environment has had for long, once a day.
func (s *Store) forgetCompiled() error {
	last := s.path(bytecode, "looked")
	if info, err := os.Stat(last); err == nil && time.Since(info.ModTime()) < 24*time.Hour {
		return nil
	}
	if err := os.WriteFile(last, nil, 0o644); err != nil {
		return err
	}
	return filepath.WalkDir(s.path(bytecode), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == last {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if st.Nlink > 1 || time.Since(time.Unix(st.Ctim.Unix())) < compiledLasts {
			return nil
		}
		return os.Remove(path)
	})
}
