package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// A Mount is what a command sees besides its root, and what of it is no part of what the
// command makes: a cache, the folders of another image's layers, copies of files, or
// else an empty folder.
type Mount struct {
	Target   string
	ReadOnly bool

	// Cache names a folder that is kept for later commands, which are alone with it if
	// it is exclusive. UID, GID and Mode are a new one's.
	Cache     string
	Exclusive bool
	UID, GID  int
	Mode      fs.FileMode

	// Folders lie over one another, the topmost first.
	Folders []string `json:"-"`

	// Entries are copied to where their names say; "." is the target itself.
	Entries []oci.Entry `json:"-"`

	// Holds is what it holds, where what the command makes depends on that.
	Holds digest.Digest
}

// refusedMount says why a mount cannot be had, or nothing.
func refusedMount(m *instructions.Mount) string {
	switch {
	case m.Type == instructions.MountTypeSSH:
		return "--mount=type=ssh is not known: give a key as a secret"
	case m.Type == instructions.MountTypeCache && (m.From != "" || m.Source != ""):
		return "--mount=type=cache begins empty: it has no from and no source"
	case m.Type == instructions.MountTypeBind && m.From != "" && !m.ReadOnly:
		return "--mount=type=bind,from=" + m.From + " is read-only: copy what is to be written to"
	case m.Target == "" && m.Type != instructions.MountTypeSecret:
		return fmt.Sprintf("--mount=type=%s needs a target", m.Type)
	}
	return ""
}

// mount makes a mount ready; nil is none.
func (b *builder) mount(ctx context.Context, s *stage, m *instructions.Mount) (*Mount, error) {
	target := "/" + s.within(m.Target)
	out := &Mount{Target: target, ReadOnly: m.ReadOnly, UID: number(m.UID), GID: number(m.GID)}
	switch m.Type {
	case instructions.MountTypeCache:
		if out.Cache = m.CacheID; out.Cache == "" {
			out.Cache = target
		}
		out.Exclusive = m.CacheSharing == instructions.MountSharingLocked || m.CacheSharing == instructions.MountSharingPrivate
		out.Mode = modeOr(m.Mode, 0o755)
		return out, nil
	case instructions.MountTypeSecret:
		return b.secret(m, out)
	case instructions.MountTypeBind:
		if m.From == "" {
			return out, bindFiles(b.Context, m.Source, out)
		}
		return out, b.bindRoot(ctx, m, out)
	}
	return out, nil
}

func number(n *uint64) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

func modeOr(mode *uint64, usual fs.FileMode) fs.FileMode {
	if mode == nil {
		return usual
	}
	return fs.FileMode(*mode & 0o777)
}

// secret is a file that is not kept, and of which what a command makes is not said to
// depend.
func (b *builder) secret(m *instructions.Mount, out *Mount) (*Mount, error) {
	id := m.CacheID
	if id == "" {
		id = m.Source
	}
	if id == "" {
		id = path.Base(m.Target)
	}
	value, ok := b.Secrets[id]
	if !ok && !m.Required {
		return nil, nil
	}
	if !ok {
		return nil, fmt.Errorf("secret %s is not given: give it with --secret id=%[1]s,src=FILE", id)
	}
	if m.Env != nil {
		return nil, fmt.Errorf("secret %s: env is not known: read it from its file", id)
	}
	if m.Target == "" {
		out.Target = "/run/secrets/" + id
	}
	out.ReadOnly = true
	out.Entries = []oci.Entry{{Name: ".", Mode: modeOr(m.Mode, 0o400), User: out.UID, Group: out.GID, Content: value, Size: int64(len(value))}}
	return out, nil
}

// bindFiles are copies of files of the folder: writes to them are lost.
func bindFiles(folder []oci.Entry, source string, out *Mount) error {
	top := clean(source)
	for _, f := range folder {
		name, below := strings.CutPrefix(f.Name, top+"/")
		switch {
		case f.Name == top:
			name = "."
		case top == ".":
			name = f.Name
		case !below:
			continue
		}
		f.Name = name
		out.Entries = append(out.Entries, f)
	}
	if len(out.Entries) == 0 {
		return fmt.Errorf("%s: there is no such file in the folder, or .dockerignore names it", source)
	}
	sum := digest.Canonical.Digester()
	err := oci.Layers(out.Entries)[0](sum.Hash())
	out.Holds = sum.Digest()
	return err
}

// bindRoot shows a part of another stage or image.
func (b *builder) bindRoot(ctx context.Context, m *instructions.Mount, out *Mount) error {
	root, image, err := b.rootOf(ctx, m.From)
	if err != nil || root == nil {
		return err
	}
	out.Holds = identity.ChainID(image.Config.RootFS.DiffIDs)
	if out.Folders, err = layers.Folders(root, layers.Resolve(root, m.Source)); err == nil {
		return nil
	}
	f, failed := layers.Open(root, m.Source)
	if failed != nil {
		if errors.Is(failed, fs.ErrNotExist) {
			return fmt.Errorf("%s: there is no such file in %s", m.Source, m.From)
		}
		return failed
	}
	defer f.Close()
	info, err := f.Stat()
	out.Entries = []oci.Entry{{Name: ".", Mode: info.Mode(), Size: info.Size(), Source: f.Name()}}
	return err
}
