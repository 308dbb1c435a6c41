package oci

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// A Remote says how other registries are reached.
type Remote struct {
	// Username and Password are for the image's registry; a token goes as a password.
	Username, Password string
	// IdentityToken is exchanged for a token, and Token used as it is, where the
	// registry gave these in place of a password.
	IdentityToken, Token string
	// Plain does without TLS. Registries on this machine's loopback are tried so anyway.
	Plain bool
	// Client is the HTTP client to use; nil is one that tells a registry that is slow
	// to answer from one that does not.
	Client *http.Client
	// Progress is told in sentences what is done; nil tells nobody.
	Progress func(string)
	// Architecture is that of the machines whose part is taken of an image for several;
	// "" is this one's.
	Architecture string
}

// side is how many blobs are moved side by side.
const side = 4

// repository is the client of the repository that a name is in.
func (o Remote) repository(n Name) (*remote.Repository, error) {
	host, path, _ := strings.Cut(n.Repository, "/")
	ref := registry.Reference{Registry: host, Repository: path}
	if err := ref.Validate(); err != nil {
		return nil, err
	}
	client := o.Client
	if client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = patience
		client = &http.Client{Transport: transport}
	}
	c := &auth.Client{Client: client, Cache: auth.NewCache()}
	if who := (auth.Credential{Username: o.Username, Password: o.Password, RefreshToken: o.IdentityToken, AccessToken: o.Token}); who != auth.EmptyCredential {
		c.Credential = auth.StaticCredential(ref.Host(), who)
	}
	c.SetUserAgent("weir")
	return &remote.Repository{Client: c, Reference: ref, PlainHTTP: o.Plain || isLoopback(host)}, nil
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (o Remote) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Pull takes an image from the registry that its name begins with. Of an image for
// several machines it takes the part for one. What an earlier pull that was
// broken off has taken is not taken again.
func (s *Store) Pull(ctx context.Context, name string, o Remote) (*Image, error) {
	n, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(n.Repository, "/")
	if host == s.own {
		return nil, &NotFoundError{n.Familiar()}
	}
	release, err := s.share()
	if err != nil {
		return nil, err
	}
	defer release()
	o.Plain = o.Plain || slices.Contains(s.plain, host)
	o.Architecture = cmp.Or(o.Architecture, runtime.GOARCH)
	repo, err := o.repository(n)
	if err == nil {
		p := &pull{store: s, remote: o, repo: repo}
		err = p.image(ctx, n)
	}
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", n.Familiar(), s.roomy(plainly(err)))
	}
	return s.findFor(n, o.Architecture)
}

// A pull is at work on one image.
type pull struct {
	store  *Store
	remote Remote
	repo   *remote.Repository

	mu          sync.Mutex
	here, total int64
}

func (p *pull) image(ctx context.Context, n Name) error {
	reference := n.Tag
	if n.Digest != "" {
		reference = n.Digest.String()
	}
	d, content, err := p.repo.Manifests().FetchReference(ctx, reference)
	if err != nil {
		return err
	}
	if err := p.document(d, content); err != nil {
		return err
	}
	target := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	manifest := target
	if isIndex(target.MediaType) {
		var index ocispec.Index
		if err := p.store.read(target, &index); err != nil {
			return err
		}
		if manifest, err = p.store.choose(target, index, p.remote.Architecture, func(ocispec.Descriptor) bool { return true }); err != nil {
			return err
		}
		if err := p.fetchDocument(ctx, manifest); err != nil {
			return err
		}
	}
	if err := p.parts(ctx, manifest); err != nil {
		return err
	}
	if n.Digest != "" {
		return p.store.link(n.Repository, target)
	}
	return p.store.name(n, tag{Target: target, Pulled: true})
}

// parts takes what a manifest consists of.
func (p *pull) parts(ctx context.Context, manifest ocispec.Descriptor) error {
	var m ocispec.Manifest
	if err := p.store.read(manifest, &m); err != nil {
		return err
	}
	var wanted []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, d := range append(m.Layers, m.Config) {
		if !seen[d.Digest] && !p.store.Has(d.Digest) {
			wanted = append(wanted, d)
			p.total += d.Size
		}
		seen[d.Digest] = true
	}
	if len(wanted) > 0 {
		p.remote.say("pulling %d parts, %.1f MB", len(wanted), float64(p.total)/1e6)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(side)
	for _, d := range wanted {
		g.Go(func() error {
			if err := p.blob(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d.Digest, err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.here += d.Size; p.here < p.total && d.Size > p.total/20 {
				p.remote.say("pulled %.1f of %.1f MB", float64(p.here)/1e6, float64(p.total)/1e6)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *pull) fetchDocument(ctx context.Context, d ocispec.Descriptor) error {
	if p.store.Has(d.Digest) {
		return nil
	}
	content, err := p.repo.Manifests().Fetch(ctx, d)
	if err != nil {
		return err
	}
	return p.document(d, content)
}

// document keeps a manifest, which must be what its digest says.
func (p *pull) document(d ocispec.Descriptor, content io.ReadCloser) error {
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, maxDocument+1))
	if err != nil {
		return err
	}
	if len(data) > maxDocument {
		return &BrokenError{d.Digest, fmt.Sprintf("it is larger than %d MiB, and should be a description", maxDocument>>20)}
	}
	_, _, err = p.store.Put(d.Digest, bytes.NewReader(data))
	return err
}

// patience is how long nothing may come before a connection is given up, and tries
// how often in a row one may that has brought nothing.
const (
	patience = 30 * time.Second
	tries    = 5
)

// blob takes a blob, and goes on where it was broken off.
func (p *pull) blob(ctx context.Context, d ocispec.Descriptor) (err error) {
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(p.store.path("uploads"), 0o755); err != nil {
		return err
	}
	f, err := hold(ctx, p.store.path("uploads", "pull-"+d.Digest.Algorithm().String()+"-"+d.Digest.Encoded()))
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() {
		if errors.Is(err, unix.ENOSPC) { // It would only be in the way.
			os.Remove(f.Name())
		}
	}()
	if p.store.Has(d.Digest) { // somebody else took it meanwhile
		return os.Remove(f.Name())
	}
	hash := d.Digest.Algorithm().Hash()
	have, err := io.Copy(hash, f)
	if err != nil {
		return err
	}
	for failed := 0; have < d.Size; {
		from := have
		have, err = p.piece(ctx, d, have, io.MultiWriter(&early{file: f, at: have, end: d.Size}, hash))
		if errors.Is(err, errFromStart) {
			hash.Reset()
			have = 0
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			if err := f.Truncate(0); err != nil {
				return err
			}
			failed++
			continue
		}
		if err == nil {
			break
		}
		if have > from {
			failed = 0
		}
		if failed++; failed >= tries || ctx.Err() != nil || !isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond << failed):
		}
	}
	if got := digest.NewDigest(d.Digest.Algorithm(), hash); got != d.Digest || have != d.Size {
		return errors.Join(&BrokenError{d.Digest, fmt.Sprintf("what came is another: %d bytes, its digest is %s", have, got)}, os.Remove(f.Name()))
	}
	return p.store.adopt(f, d.Digest)
}

// errFromStart says that a registry does not go on in the middle.
var errFromStart = errors.New("the registry sends blobs from their start only")

// errQuiet says why a connection was given up.
var errQuiet = fmt.Errorf("nothing came for %s", patience)

// A diskError says that what came could not be kept. No other try does better.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// isTransient says whether another try may do better: a registry that has answered
// no will not.
func isTransient(err error) bool {
	var network net.Error
	if errors.As(err, new(*diskError)) {
		return false
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errQuiet) || errors.As(err, &network)
}

// piece takes as much of a blob as comes, from a byte on, and says how much there
// is then.
func (p *pull) piece(ctx context.Context, d ocispec.Descriptor, from int64, to io.Writer) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	content, err := p.repo.Blobs().Fetch(ctx, d)
	if err != nil {
		return from, err
	}
	defer content.Close()
	if from > 0 {
		seeker, ok := content.(io.Seeker)
		if !ok {
			return from, errFromStart
		}
		if _, err := seeker.Seek(from, io.SeekStart); err != nil {
			return from, err
		}
	}
	quiet := time.AfterFunc(patience, func() { cancel(errQuiet) })
	defer quiet.Stop()
	buffer := make([]byte, 1<<20)
	for have := from; ; {
		n, err := content.Read(buffer)
		quiet.Reset(patience)
		if have += int64(n); have > d.Size {
			return have, &BrokenError{d.Digest, fmt.Sprintf("more came than its %d bytes", d.Size)}
		}
		if _, failed := to.Write(buffer[:n]); failed != nil {
			return have, &diskError{failed}
		}
		switch {
		case have == d.Size:
			return have, nil
		case errors.Is(err, io.EOF):
			return have, io.ErrUnexpectedEOF
		case err != nil && context.Cause(ctx) != nil:
			return have, context.Cause(ctx)
		case err != nil:
			return have, err
		}
	}
}

// Push gives an image to the registry that its name begins with, or that as does; ""
// is the name itself. What is there already is not sent.
func (s *Store) Push(ctx context.Context, name, as string, o Remote) (Name, error) {
	i, err := s.Find(name)
	if err != nil {
		return Name{}, err
	}
	to := i.Name
	if as != "" {
		if to, err = s.parse(as); err != nil {
			return Name{}, err
		}
	}
	if to.Tag == "" {
		return Name{}, fmt.Errorf("push %s: it has no tag: say under which name to push it", i.Name.Familiar())
	}
	host, _, _ := strings.Cut(to.Repository, "/")
	if host == s.own {
		return Name{}, fmt.Errorf("push %s: it would be in weir's own registry, where weir image tag puts it", to.Familiar())
	}
	o.Plain = o.Plain || slices.Contains(s.plain, host)
	repo, err := o.repository(to)
	if err == nil {
		err = s.push(ctx, repo, i, to.Tag, o)
	}
	if err != nil {
		return Name{}, fmt.Errorf("push %s: %w", to.Familiar(), plainly(err))
	}
	return to, nil
}

// plainly says in a registry's own word that it wants to know who asks.
func plainly(err error) error {
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return fmt.Errorf("unauthorized: the registry wants a name and a password: %w", err)
	}
	return err
}

func (s *Store) push(ctx context.Context, repo *remote.Repository, i *Image, tag string, o Remote) error {
	target := i.Target
	if isIndex(target.MediaType) { // registries take an index when they have all of it
		var index ocispec.Index
		if err := s.read(target, &index); err != nil {
			return err
		}
		for _, m := range index.Manifests {
			if !s.Has(m.Digest) {
				target = i.Manifest
			}
		}
	}
	manifests, err := s.pushAll(ctx, repo, target, tag, o)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		attachments, err := s.attached(i.Name.Repository, m.Digest)
		if err != nil {
			return err
		}
		for _, a := range attachments {
			if _, err := s.pushAll(ctx, repo, a.descriptor, "", o); err != nil && ctx.Err() == nil {
				o.say("what is attached to the image stays here: the registry does not take it: %v", err)
			}
		}
	}
	return ctx.Err()
}

// pushAll pushes a manifest or an index with what it consists of, under a tag unless
// that is "". It returns the manifests.
func (s *Store) pushAll(ctx context.Context, repo *remote.Repository, target ocispec.Descriptor, tag string, o Remote) ([]ocispec.Descriptor, error) {
	var blobs, manifests []ocispec.Descriptor
	err := s.walk(target, func(d ocispec.Descriptor, isManifest bool) error {
		if isManifest {
			manifests = append(manifests, d)
		} else {
			blobs = append(blobs, d)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(side)
	for _, d := range blobs {
		g.Go(func() error { return s.pushBlob(within, repo, d, o) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, d := range manifests {
		data, err := s.document(d)
		if err != nil {
			return nil, err
		}
		d := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: int64(len(data))}
		if d.Digest == target.Digest && tag != "" {
			err = repo.Manifests().PushReference(ctx, d, bytes.NewReader(data), tag)
		} else {
			err = repo.Manifests().Push(ctx, d, bytes.NewReader(data))
		}
		if err != nil {
			return nil, err
		}
	}
	return manifests, nil
}

func (s *Store) pushBlob(ctx context.Context, repo *remote.Repository, d ocispec.Descriptor, o Remote) error {
	there, err := repo.Blobs().Exists(ctx, d)
	if err != nil || there {
		return err
	}
	f, err := s.Blob(d.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	o.say("pushing %s, %.1f MB", d.Digest.Encoded()[:12], float64(d.Size)/1e6)
	return repo.Blobs().Push(ctx, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, f)
}
