package container

import "testing"

// A container that is filtered cannot ask for what its capabilities do not allow,
// and else runs as ever.
func TestFilterCalls(t *testing.T) {
	r := runtimeOf(t)
	// One line of errors' numbers, 0 for none. Without a filter the kernel has
	// another reason than EPERM to refuse these calls.
	const asks = `
my ($key, $root, $as) = ` + "`uname -m`" + ` =~ /x86_64/ ? (248, 161, 135) : (217, 51, 92);
my $path = "/no/such";
sub ask { syscall(shift, @_) == -1 ? $! + 0 : 0 }
my @got = (ask($key, 0, 0, 0, 0, 0), ask($root, $path), ask($as, 0xffffffff), ask($as, 0x40000), ask(435, 0, 0), ask(562));
print "@got\n"`
	for name, c := range map[string]struct {
		why    string
		filter bool
		change func(*Spec)
		want   string
	}{
		"Unfiltered": {why: "Without a filter the kernel itself answers.", want: "14 2 0 0 22 38"},
		"Usual":      {why: "Keys are refused, clone3 and what is new do not exist, chroot is among the usual capabilities.", filter: true, want: "1 2 0 1 38 38"},
		"NoChroot":   {why: "What a capability is for goes with it.", filter: true, change: func(s *Spec) { s.Capabilities = nil }, want: "1 1 0 1 38 38"},
		"User":       {why: "Another user is filtered too.", filter: true, change: func(s *Spec) { s.Capabilities, s.UID, s.GID = nil, 1000, 1000 }, want: "1 1 0 1 38 38"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(t, "")
			s.Argv, s.FilterCalls = []string{"perl", "-e", asks}, c.filter
			if c.change != nil {
				c.change(&s)
			}
			if s.UID != 0 && r.ids.inUser {
				t.Skip("one user is mapped")
			}
			if got := run(t, r, s); got.out != c.want {
				t.Errorf("%s Got %q, want %q", c.why, got.out, c.want)
			}
		})
	}
}

// What is run beside a container's command is filtered as it is.
func TestFilterCallsOfExec(t *testing.T) {
	r := runtimeOf(t)
	s := shell(t, "sleep 1000")
	s.FilterCalls = true
	c, _ := start(t, r, s)
	defer c.Remove()
	stdio, out := capture(t)
	p, err := c.Exec(t.Context(), ExecSpec{Argv: []string{"grep", "-w", "Seccomp", "/proc/self/status"}}, stdio)
	if err != nil {
		t.Fatal(err)
	}
	stdio.Stdout.Close()
	p.Wait()
	if got := out(); got != "Seccomp:\t2" {
		t.Errorf("got %q, want mode 2", got)
	}
}

func BenchmarkStartFiltered(b *testing.B) {
	r := runtimeOf(b)
	for name, filter := range map[string]bool{"Unfiltered": false, "Filtered": true} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				s := shell(b, "exit 0")
				s.FilterCalls = filter
				run(b, r, s)
			}
		})
	}
}
