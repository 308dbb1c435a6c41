package container

import (
	"os"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// A Spec says what a container is.
type Spec struct {
	ID         string        // names its folder; unique in the Runtime
	Namespaces *Namespaces   // what it shares with its pod; nil shares everything with this program
	Beside     *Container    // the container whose processes it sees and can end; nil is none
	Image      *rootfs.Image // nil is the machine's system folders alone
	Mounts     []Mount       // in this order, so that one may lie in another
	Devices    []Device

	Argv []string // the command is looked for in the container's PATH
	Env  []string // before these: the image's variables, PATH and HOME
	Dir  string   // made if missing; "" is the image's, then /

	UID, GID uint32
	Groups   []uint32 // supplementary

	Capabilities    []string // all it can ever have, as "CAP_CHOWN": see Capabilities
	Privileged      bool     // sees all devices and a writable /sys; Capabilities still count
	NoNewPrivileges bool
	FilterCalls     bool // of the system calls, only those of usual containers
	ReadOnlyRoot    bool
	MaskedPaths     []string // seen empty
	ReadOnlyPaths   []string

	OOMScoreAdjust int
	Cgroup         *cgroup.Group // nil limits nothing
	Hostname       string        // for /etc/hostname; the pod's namespaces carry the real one
	ResolvConf     []byte        // for /etc/resolv.conf; nil leaves the machine's
	Terminal       bool          // its stdio is a terminal of its own: see Process.Terminal
}

// Propagation says which later mounts pass between a mount and its source.
type Propagation int

const (
	Private       Propagation = iota // none
	FromMachine                      // those of the machine reach the container
	Bidirectional                    // and the other way round
)

// A Mount is a file or folder of the machine that the container sees at Target.
// Target is resolved inside the container's root, and made if missing. Who asks
// for a mount must have made sure that Source is what the pod may see, and that
// there is no link in it: one that is there at the start was put there since.
type Mount struct {
	Source, Target string
	Over           []string // folders that lie over Source, the topmost first; it is read-only then
	ReadOnly       bool
	OnlyTop        bool // without what is mounted below Source
	Optional       bool // where it cannot be mounted, the container does without
	Propagation    Propagation
}

// A Device is a device node of the machine that the container may use.
type Device struct{ Source, Target string }

// Stdio is what a process has as its standard streams; nil is /dev/null. The
// process gets copies, so the caller closes its own after Start. None of it is
// used with a terminal.
type Stdio struct{ Stdin, Stdout, Stderr *os.File }

// An ExecSpec says what to run beside a container's command. It has the
// container's user, capabilities and environment.
type ExecSpec struct {
	Argv     []string
	Env      []string // after the container's
	Dir      string   // "" is the container's
	Terminal bool
}
