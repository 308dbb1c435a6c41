package packaging

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Bundle is a folder's files as a tar, and those that are large beside it. The
// same files make the same bytes, whoever owns them and whenever they were
// written.
type Bundle struct {
	Digest string // of the tar, in hex
	Size   int64  // of the tar
	// Large are files that the tar only names, each by its digest: so a change
	// beside them does not carry them again.
	Large  []Large
	folder *Folder
}

// A Large file is an object of its own.
type Large struct {
	File
	Digest string
}

// largeFile is the size of files that are objects of their own.
const largeFile = 4 << 20

// largeList is the file in a tar that names those beside it: a line for each,
// with its digest, whether it can be executed, and its name.
const largeList = ".weir-large"

// Pack reads a folder's files, and says what the bundle of them is called.
func Pack(f *Folder) (*Bundle, error) {
	b := &Bundle{folder: f}
	for _, file := range f.Files {
		if file.Size < largeFile {
			continue
		}
		digest, err := digestOf(filepath.Join(f.Dir, file.Name))
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", file.Name, err)
		}
		b.Large = append(b.Large, Large{file, digest})
	}
	sum := sha256.New()
	count := &counter{w: sum}
	if err := b.write(count); err != nil {
		return nil, err
	}
	b.Digest, b.Size = hex.EncodeToString(sum.Sum(nil)), count.n
	return b, nil
}

func digestOf(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Key is what the tar is called in CodeBucket.
func (b *Bundle) Key() string { return b.Digest + ".tar" }

// URL is where the bundle is once a Store has put it there.
func (b *Bundle) URL() string { return "s3://" + CodeBucket + "/" + b.Key() }

// WriteTo writes the tar. The error says so if the files are no longer those
// that were packed.
func (b *Bundle) WriteTo(w io.Writer) (int64, error) {
	sum := sha256.New()
	count := &counter{w: io.MultiWriter(w, sum)}
	if err := b.write(count); err != nil {
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

// write writes the files with nothing of when and whose: permissions are what
// git would keep of them.
func (b *Bundle) write(w io.Writer) error {
	out := tar.NewWriter(w)
	if len(b.Large) > 0 {
		var list strings.Builder
		for _, l := range b.Large {
			fmt.Fprintf(&list, "%s %o %s\n", l.Digest, permissions(l.File), l.Name)
		}
		if err := writeEntry(out, File{Name: largeList, Size: int64(list.Len())}, strings.NewReader(list.String())); err != nil {
			return fmt.Errorf("pack folder %s: %w", b.folder.Dir, err)
		}
	}
	for _, file := range b.folder.Files {
		if file.Size >= largeFile {
			continue
		}
		if err := writeFile(out, b.folder.Dir, file); err != nil {
			return fmt.Errorf("pack %s: %w", file.Name, err)
		}
	}
	return out.Close()
}

func permissions(f File) int64 {
	if f.Mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

func writeFile(out *tar.Writer, dir string, file File) error {
	if file.Mode&fs.ModeSymlink != 0 {
		return writeEntry(out, file, nil)
	}
	in, err := os.Open(filepath.Join(dir, file.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	return writeEntry(out, file, in)
}

func writeEntry(out *tar.Writer, file File, in io.Reader) error {
	h := &tar.Header{Name: file.Name, Size: file.Size, Mode: permissions(file), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if file.Mode&fs.ModeSymlink != 0 {
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, file.Link, 0o777
	}
	if err := out.WriteHeader(h); err != nil || h.Typeflag == tar.TypeSymlink {
		return err
	}
	n, err := io.CopyN(out, in, file.Size)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("it shrank to %d bytes while it was read; try again", n)
	}
	return err
}
