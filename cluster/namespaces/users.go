package namespaces

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-ml/weir/cluster/namespaces/internal/await"
)

// The machine's lists of who may have which further ids: a line is NAME:FIRST:COUNT.
const (
	subordinateUsers  = "/etc/subuid"
	subordinateGroups = "/etc/subgid"
)

// An idRange is ids of the machine that a user may use in namespaces.
type idRange struct{ first, count int }

// startMapped starts the program in a user namespace that has this user as root,
// and the subordinate ids that the machine gives to this user as all others.
func startMapped(ctx context.Context, c Config) (*exec.Cmd, error) {
	users, err := subordinates(subordinateUsers)
	if err != nil {
		return nil, err
	}
	groups, err := subordinates(subordinateGroups)
	if err != nil {
		return nil, err
	}
	wait, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer wait.Close()
	c.Files = append(slices.Clone(c.Files), wait)
	cmd := command(ctx, User, c)
	cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = nil, nil
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", await.Variable, firstFile+len(c.Files)-1))
	if err := launch(cmd); err != nil {
		_ = tell.Close()
		return nil, err
	}
	for _, m := range []struct {
		tool string
		root int
		ids  idRange
	}{{"newuidmap", os.Geteuid(), users}, {"newgidmap", os.Getegid(), groups}} {
		if err = m.ids.give(ctx, m.tool, cmd.Process.Pid, m.root); err != nil {
			break
		}
	}
	if err == nil {
		_, err = tell.Write([]byte{1})
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tell.Close()
		return nil, err
	}
	go func() { // while it is open the program inside knows that we are there
		_ = waitid(cmd.Process.Pid)
		_ = tell.Close()
	}()
	return cmd, nil
}

// give makes an id of the machine root in a process's user namespace, and the
// range the ids from 1 on. The tool has the right to do so; we have not.
func (r idRange) give(ctx context.Context, tool string, pid, root int) error {
	args := []string{strconv.Itoa(pid)}
	for _, n := range []int{0, root, 1, 1, r.first, r.count} {
		args = append(args, strconv.Itoa(n))
	}
	if out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", tool, err, bytes.TrimSpace(out))
	}
	return nil
}

// subordinates is the first range of ids that a list has for this user.
func subordinates(list string) (idRange, error) {
	us, err := user.Current()
	if err != nil {
		return idRange{}, fmt.Errorf("find this user: %w", err)
	}
	data, err := os.ReadFile(list)
	if err != nil {
		return idRange{}, fmt.Errorf("find subordinate ids: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || fields[0] != us.Username && fields[0] != us.Uid {
			continue
		}
		first, noFirst := strconv.Atoi(fields[1])
		count, noCount := strconv.Atoi(fields[2])
		if noFirst == nil && noCount == nil && count > 0 {
			return idRange{first, count}, nil
		}
	}
	return idRange{}, fmt.Errorf("find subordinate ids: %s has none for user %s", list, us.Username)
}
