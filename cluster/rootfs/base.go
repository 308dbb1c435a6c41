package rootfs

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Layer is one part of a root.
type Layer struct {
	Target      string   // where the container sees it
	Lower       string   // what it shows
	Over        []string // what lies over that, the topmost first
	Upper, Work string   // where writes go; "" where there is nowhere, and the layer is read-only
}

// Options say what a base is made of.
type Options struct {
	// Machine is the machine's root; "" is "/".
	Machine string
	// Hide are folders that no container may see, even below a system folder.
	Hide []string
	// Mountable says whether the layer can be mounted copy on write, with its
	// folders in Roots, where roots are going to be made.
	Mountable func(Layer) error
	Roots     string
	// Foreign says that the machine's system folders belong to users who do not
	// exist here, so that the commonest must be opened for containers to write to.
	Foreign bool
}

// A Base is what the roots of all containers have in common.
type Base struct {
	dir     string
	system  []string         // folders that are layers of their own
	fixed   map[string]error // targets that cannot be copy on write, and why
	parts   []Layer          // of /opt, where that cannot be copy on write
	opened  []string         // folders in those, for containers to write to
	hidden  []string
	missing []string
}

// Prepare makes the base in dir, which must not hold anything else, anew.
func Prepare(dir string, o Options) (*Base, error) {
	machine := cmp.Or(o.Machine, "/")
	b := &Base{dir: dir, fixed: map[string]error{}}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("prepare root: %w", err)
	}
	// Everybody passes through here: containers run as any user.
	if err := os.MkdirAll(b.root(), 0o755); err != nil {
		return nil, fmt.Errorf("prepare root: %w", err)
	}
	var err error
	if b.system, err = makeSkeleton(b.root(), machine); err != nil {
		return nil, fmt.Errorf("prepare root: %w", err)
	}
	if o.Foreign {
		b.opened = opened(machine)
	}
	if b.hidden, err = hidden(o.Hide, b.system); err != nil {
		return nil, fmt.Errorf("prepare root: %w", err)
	}
	if err := makeEtc(filepath.Join(machine, "etc"), filepath.Join(b.root(), "etc")); err != nil {
		return nil, fmt.Errorf("prepare /etc: %w", err)
	}
	return b, b.try(o)
}

func makeEtc(from, to string) error {
	if err := copyEtc(from, to); err != nil {
		return err
	}
	resolv, err := os.ReadFile(filepath.Join(from, "resolv.conf"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for name, content := range map[string]string{
		"passwd":      passwdOf(0, 0),
		"group":       groupOf(0, 0),
		"hostname":    "localhost\n",
		"hosts":       "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n",
		"resolv.conf": string(resolv),
	} {
		if err := writeFile(filepath.Join(to, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// try finds out which layers can be copy on write.
func (b *Base) try(o Options) error {
	if o.Mountable == nil {
		return nil
	}
	trial := filepath.Join(o.Roots, "trial")
	for _, l := range b.layers(trial) {
		if err := l.make(); err != nil {
			return fmt.Errorf("try %s: %w", l.Target, err)
		}
		if err := o.Mountable(l); err != nil {
			b.fixed[l.Target] = err
			b.missing = append(b.missing, sentence(l, err))
		}
	}
	if b.fixed["/"+optional] != nil {
		var err error
		if b.parts, err = b.partsOf(optional); err != nil {
			return fmt.Errorf("prepare /%s: %w", optional, err)
		}
	}
	return os.RemoveAll(trial)
}

// optional is where environments are put, beside what the machine has there.
const optional = "opt"

// partsOf makes a system folder a folder of the base, in which there can be other
// things, with the machine's parts of it as read-only layers.
func (b *Base) partsOf(name string) ([]Layer, error) {
	entries, err := os.ReadDir("/" + name)
	if err != nil {
		return nil, err
	}
	var parts []Layer
	for _, e := range entries {
		path := filepath.Join("/", name, e.Name())
		if e.Type()&fs.ModeSymlink == 0 {
			parts = append(parts, Layer{Target: path, Lower: path})
			continue
		}
		to, err := os.Readlink(path)
		if err != nil {
			return nil, err
		}
		if err := os.Symlink(to, filepath.Join(b.root(), path)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func sentence(l Layer, err error) string {
	if l.Target == "/" {
		return fmt.Sprintf("Each container's root is a copy, which takes longer to make: no overlay can be mounted here (%v).", err)
	}
	if l.Target == "/"+optional {
		return fmt.Sprintf("What the machine has in %s is read-only in containers: no overlay of it can be mounted (%v).", l.Target, err)
	}
	return fmt.Sprintf("%s is read-only in containers: no overlay of it can be mounted (%v).", l.Target, err)
}

// Missing says in sentences what roots go without on this machine.
func (b *Base) Missing() []string { return b.missing }

func (b *Base) root() string { return filepath.Join(b.dir, "root") }

// layers are those of a root with its own folders in dir, the root itself first.
func (b *Base) layers(dir string) []Layer {
	layers := []Layer{b.layer("/", b.root(), filepath.Join(dir, "upper", "root"), filepath.Join(dir, "work", "root"))}
	for _, name := range b.system {
		if name == optional && b.parts != nil {
			layers = append(layers, b.parts...)
			continue
		}
		layers = append(layers, b.layer("/"+name, "/"+name, filepath.Join(dir, "upper", name), filepath.Join(dir, "work", name)))
	}
	return layers
}

func (b *Base) layer(target, lower, upper, work string) Layer {
	l := Layer{Target: target, Lower: lower}
	if b.fixed[target] == nil {
		l.Upper, l.Work = upper, work
	}
	return l
}
