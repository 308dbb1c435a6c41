package packaging

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Bundle is a folder's files as one tar. The same files make the same bytes,
// whoever owns them and whenever they were written.
type Bundle struct {
	Digest string // of the bytes, in hex
	Size   int64  // of the bytes
	folder *Folder
}

// Pack reads a folder's files, and says what the tar of them is called.
func Pack(f *Folder) (*Bundle, error) {
	sum := sha256.New()
	count := &counter{w: sum}
	if err := writeTar(count, f); err != nil {
		return nil, err
	}
	return &Bundle{Digest: hex.EncodeToString(sum.Sum(nil)), Size: count.n, folder: f}, nil
}

// Key is what the bundle is called in CodeBucket.
func (b *Bundle) Key() string { return b.Digest + ".tar" }

// URL is where the bundle is once a Store has put it there.
func (b *Bundle) URL() string { return "s3://" + CodeBucket + "/" + b.Key() }

// WriteTo writes the tar. The error says so if the files are no longer those
// that were packed.
func (b *Bundle) WriteTo(w io.Writer) (int64, error) {
	sum := sha256.New()
	count := &counter{w: io.MultiWriter(w, sum)}
	if err := writeTar(count, b.folder); err != nil {
		return count.n, err
	}
	if hex.EncodeToString(sum.Sum(nil)) != b.Digest {
		return count.n, fmt.Errorf("pack folder %s: its files change while they are read; try again", b.folder.Dir)
	}
	return count.n, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeTar writes the files with nothing of when and whose: permissions are what
// git would keep of them.
func writeTar(w io.Writer, f *Folder) error {
	out := tar.NewWriter(w)
	for _, file := range f.Files {
		if err := writeFile(out, f.Dir, file); err != nil {
			return fmt.Errorf("pack %s: %w", file.Name, err)
		}
	}
	return out.Close()
}

func writeFile(out *tar.Writer, dir string, file File) error {
	h := &tar.Header{Name: file.Name, Size: file.Size, Mode: 0o644, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if file.Mode&0o100 != 0 {
		h.Mode = 0o755
	}
	if file.Mode&fs.ModeSymlink != 0 {
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, file.Link, 0o777
	}
	if err := out.WriteHeader(h); err != nil || h.Typeflag == tar.TypeSymlink {
		return err
	}
	in, err := os.Open(filepath.Join(dir, file.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.CopyN(out, in, file.Size)
	if err == io.EOF {
		return fmt.Errorf("it shrank to %d bytes while it was read; try again", n)
	}
	return err
}
