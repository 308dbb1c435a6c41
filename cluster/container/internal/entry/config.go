package entry

// A Config says what the copy does before it becomes the command.
type Config struct {
	Namespaces []Namespace // joined first, in this order

	Root   string  // a folder to mount the root on; "" leaves the root as it is
	Mounts []Mount // in this order, the root itself first

	Masked, ReadOnly []string // paths in the root; those that are missing are skipped
	ReadOnlyRoot     bool

	Terminal       bool
	OOMScoreAdjust string // "" leaves it

	UID, GID        uint64
	Groups          []uint64
	Capabilities    uint64 // a bit for each
	KeepUser        bool   // and its groups and capabilities
	NoNewPrivileges bool
	CallFilter      string // for seccomp(2), as it lies in memory; "" is none

	Dir     string
	MakeDir bool   // make Dir where it is missing
	Home    string // a folder to make for the user; "" makes none

	Argv, Env []string
	Path      string // where Argv[0] is looked for
	Probe     bool   // end where the command would start
	Hold      bool   // be the first process of a pid namespace instead
}

// A Namespace is one to join, by an open descriptor.
type Namespace struct {
	Name string // as in /proc/self/ns
	FD   uint64
}

// Symlink is the Type of a Mount that is none: it makes Target a link to Source.
const Symlink = "symlink"

// A Mount is one step in making the root.
type Mount struct {
	Type   string // of file system; "" shows what is there already
	Source string // a folder or file
	FD     uint64 // or a mount that is nowhere yet
	Target string // in the root; "/" is the root itself
	Data   string // the file system's own options

	Flags       uint64 // of mount(2) with a Type, else attributes of mount_setattr(2)
	Recursive   bool   // with all that is mounted below Source
	Propagation uint64 // MS_PRIVATE, MS_SLAVE, or MS_SHARED for as Source has it
	Optional    bool   // a failure is not one
	OfRoot      bool   // a part of the root, and read-only when the root is
	NoLinks     bool   // Source is refused if there is a link in it
}

func (c *Config) visit(w *codec) {
	list(w, &c.Namespaces, func(n *Namespace) {
		w.text(&n.Name)
		w.number(&n.FD)
	})
	w.text(&c.Root)
	list(w, &c.Mounts, func(m *Mount) {
		w.text(&m.Type, &m.Source, &m.Target, &m.Data)
		w.number(&m.FD, &m.Flags, &m.Propagation)
		w.flag(&m.Recursive, &m.Optional, &m.OfRoot, &m.NoLinks)
	})
	w.texts(&c.Masked, &c.ReadOnly, &c.Argv, &c.Env)
	w.text(&c.OOMScoreAdjust, &c.CallFilter, &c.Dir, &c.Home, &c.Path)
	w.number(&c.UID, &c.GID, &c.Capabilities)
	list(w, &c.Groups, func(g *uint64) { w.number(g) })
	w.flag(&c.ReadOnlyRoot, &c.Terminal, &c.KeepUser, &c.NoNewPrivileges, &c.MakeDir, &c.Probe, &c.Hold)
}

// A Failure says which step could not be done, and why.
type Failure struct {
	Step  string // a phrase that begins with a verb
	Errno uint64
	What  What
}

// What tells apart the failures that a user can do something about.
type What uint64

const (
	Setup         What = iota
	NoCommand          // there is no such command
	NotExecutable      // it may not be executed, or is not a program
	NoInterpreter      // the script's interpreter is missing
	NoDir              // the working directory cannot be entered
	NoUser             // the user does not exist in this user namespace
)

func (f *Failure) visit(w *codec) {
	what := uint64(f.What)
	w.text(&f.Step)
	w.number(&f.Errno, &what)
	f.What = What(what)
}
