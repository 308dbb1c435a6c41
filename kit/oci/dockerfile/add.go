package dockerfile

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/weir-ml/weir/kit/oci"
)

// isAddress tells what is fetched from what is in the folder.
func isAddress(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// refusedAdd says why an ADD cannot be done, or nothing.
func refusedAdd(c *instructions.AddCommand) string {
	for _, s := range c.SourcePaths {
		switch {
		case isAddress(s) && strings.HasSuffix(s, ".git"), strings.Contains(s, "://") && !isAddress(s), strings.HasPrefix(s, "git@"):
			return "repositories are not fetched: clone " + s + " into the folder, and COPY it"
		}
	}
	if len(c.ExcludePatterns) > 0 {
		return "--exclude is for COPY: name what to leave out in .dockerignore"
	}
	if c.Unpack != nil {
		return "--unpack is not known: archives of the folder are unpacked, and those that are fetched are not"
	}
	if c.Checksum != "" && (len(c.SourcePaths) != 1 || !isAddress(c.SourcePaths[0])) {
		return "--checksum is for one address"
	}
	return ""
}

// add is as copy, but unpacks archives of the folder, and fetches addresses.
func (b *builder) add(ctx context.Context, s *stage, c *instructions.AddCommand) error {
	from := &origin{folder: b.Context}
	plain := c.SourcesAndDest
	plain.SourcePaths = nil
	files := picked{}
	for _, source := range c.SourcePaths {
		if isAddress(source) {
			if err := b.fetch(ctx, source, c, files); err != nil {
				return err
			}
			continue
		}
		archives, err := from.archives(source)
		if err != nil {
			return err
		}
		for _, a := range archives {
			if err := b.unpack(ctx, s, a, c); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
		}
		if len(archives) == 0 {
			plain.SourcePaths = append(plain.SourcePaths, source)
		}
	}
	if len(plain.SourcePaths)+len(plain.SourceContents)+len(files) == 0 {
		return nil
	}
	return b.copy(ctx, s, copying{SourcesAndDest: plain, fetched: files, owner: c.Chown, mode: c.Chmod})
}

// fetch fetches an address. The file is its owner's alone, as docker has it.
func (b *builder) fetch(ctx context.Context, address string, c *instructions.AddCommand, to picked) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	name := path.Base(u.Path)
	if (name == "/" || name == ".") && strings.HasSuffix(c.DestPath, "/") {
		return fmt.Errorf("%s names no file: say what it is to be called", address)
	}
	if b.Fetch == nil {
		return errors.New("nothing is fetched here")
	}
	file, err := b.Fetch(ctx, address, c.Checksum)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	to[name] = oci.Entry{Mode: 0o600, Source: file, Size: info.Size()}
	return nil
}

// archives are the archives that a source means; none where it means anything else.
func (o *origin) archives(source string) ([]oci.Entry, error) {
	files := picked{}
	if _, err := o.pick(source, false, files); err != nil {
		return nil, err
	}
	depth := strings.Count(clean(source), "/") + 1
	var all []oci.Entry
	for _, f := range files {
		if f.Source == "" || strings.Count(f.Name, "/")+1 != depth || !isArchive(f.Source) {
			return nil, nil
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b oci.Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// What archives begin with: those that are packed, besides those that oci unpacks.
const (
	bzipped = "BZh"
	xzipped = "\xfd7zXZ\x00"
)

// isArchive says whether ADD unpacks a file: a tar, packed or not.
func isArchive(file string) bool {
	in, err := openArchive(context.Background(), file) //nolint:forbidigo // It reads one block.
	if err != nil {
		return false
	}
	defer in.Close()
	_, err = tar.NewReader(in).Next()
	return err == nil
}

// openArchive opens a file without what packs it.
func openArchive(ctx context.Context, file string) (io.ReadCloser, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	magic := make([]byte, len(xzipped))
	n, _ := io.ReadFull(f, magic)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	switch magic = magic[:n]; {
	case bytes.HasPrefix(magic, []byte(bzipped)):
		return unpacking{bzip2.NewReader(f), f.Close}, nil
	case bytes.HasPrefix(magic, []byte(xzipped)):
		return openXZ(ctx, f)
	}
	plain, err := oci.Plain(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return unpacking{plain, func() error { return errors.Join(plain.Close(), f.Close()) }}, nil
}

// openXZ has the machine's own program unpack a file.
func openXZ(ctx context.Context, f *os.File) (io.ReadCloser, error) {
	defer f.Close()
	ctx, stop := context.WithCancel(ctx)
	xz := exec.CommandContext(ctx, "xz", "--decompress", "--stdout")
	xz.Stdin = f
	out, err := xz.StdoutPipe()
	if err == nil {
		err = xz.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("unpack with xz: %w", err)
	}
	return unpacking{out, func() error {
		stop()
		_ = xz.Wait() // It was stopped, or has said all.
		return nil
	}}, nil
}

type unpacking struct {
	io.Reader
	close func() error
}

// Close is an io.Closer's.
func (u unpacking) Close() error { return u.close() }

// unpack makes a layer of an archive.
func (b *builder) unpack(ctx context.Context, s *stage, archive oci.Entry, c *instructions.AddCommand) error {
	if c.Chmod != "" {
		return errors.New("--chmod is for files: what is in an archive has its own modes")
	}
	who, err := b.ownerOf(ctx, s, c.Chown)
	if err != nil {
		return err
	}
	a := &archiveLayer{ctx: ctx, file: archive.Source, at: s.within(c.DestPath), who: who}
	var entries []oci.Entry
	if err := a.each(func(h *tar.Header, _ io.Reader) error {
		entries = append(entries, oci.Entry{Name: strings.TrimSuffix(h.Name, "/"), Mode: h.FileInfo().Mode()})
		return nil
	}); err != nil {
		return err
	}
	if b.rehearsal == nil {
		s.layers = append(s.layers, layer{entries, a.pack})
	}
	return nil
}

// An archiveLayer is what an archive holds, at another place.
type archiveLayer struct {
	ctx  context.Context
	file string
	at   string
	who  *owner // in place of the archive's; nil is none
}

func (a *archiveLayer) pack(w io.Writer) error {
	out := tar.NewWriter(w)
	if err := a.each(func(h *tar.Header, content io.Reader) error {
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(out, content)
		return err
	}); err != nil {
		return err
	}
	return out.Close()
}

// each visits what the archive holds, as it is in the layer. Devices are left out, as
// in all layers.
func (a *archiveLayer) each(visit func(*tar.Header, io.Reader) error) error {
	in, err := openArchive(a.ctx, a.file)
	if err != nil {
		return err
	}
	defer in.Close()
	content := tar.NewReader(in)
	for {
		h, err := content.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeChar, tar.TypeBlock, tar.TypeXGlobalHeader:
			continue
		}
		if slices.Contains(strings.Split(h.Name, "/"), "..") || h.Typeflag == tar.TypeLink && slices.Contains(strings.Split(h.Linkname, "/"), "..") {
			return fmt.Errorf("%q leads out of the archive", h.Name)
		}
		folder := h.Typeflag == tar.TypeDir
		if h.Name = path.Join(a.at, path.Clean("/"+h.Name)); folder {
			h.Name += "/"
		}
		if h.Name = strings.TrimPrefix(h.Name, "/"); h.Name == "" {
			continue // The root is as it is.
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(path.Join(a.at, path.Clean("/"+h.Linkname)), "/")
		}
		h.Uname, h.Gname, h.Format = "", "", tar.FormatPAX
		if a.who != nil {
			h.Uid, h.Gid = a.who.user, a.who.group
		}
		if err := visit(h, content); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}
