package secureshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// A Call is a command to be run on another host.
type Call struct {
	Host, Port string
	User       string
	Command    string // what the other host's shell is given; empty is a shell
	Key        string // the file of the private key
	// Patience is how long a host that is not found, or does not answer, is
	// tried: it may be starting.
	Patience time.Duration

	Stdin          io.Reader // nil is none
	Stdout, Stderr io.Writer
}

// tryAgain is the time between tries.
const tryAgain = time.Second

// greeting is how long a host may take to say who it is.
const greeting = 30 * time.Second

// Run runs the command and returns its exit code. The host is taken for who it
// says it is: it has no name of its own, and the network is the callers'.
func (c Call) Run(ctx context.Context) (int, error) {
	key, err := signer(c.Key)
	if err != nil {
		return 0, err
	}
	address := net.JoinHostPort(c.Host, c.Port)
	conn, err := c.dial(ctx, address)
	if err != nil {
		return 0, fmt.Errorf("connect to host %s port %s: %w", c.Host, c.Port, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(greeting)) // One that listens may still say nothing.
	peer, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: c.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return 0, fmt.Errorf("%s@%s: %w", c.User, c.Host, err)
	}
	_ = conn.SetDeadline(time.Time{})
	client := ssh.NewClient(peer, channels, requests)
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()

	s, err := client.NewSession()
	if err != nil {
		return 0, fmt.Errorf("%s@%s: %w", c.User, c.Host, err)
	}
	s.Stdout, s.Stderr = c.Stdout, c.Stderr
	in, err := s.StdinPipe() // Were it the session's Stdin, the session would wait for its end.
	if err != nil {
		return 0, err
	}
	if c.Command == "" {
		err = s.Shell()
	} else {
		err = s.Start(c.Command)
	}
	if err != nil {
		return 0, fmt.Errorf("start a command on %s: %w", c.Host, err)
	}
	go func() {
		if c.Stdin != nil {
			_, _ = io.Copy(in, c.Stdin)
		}
		_ = in.Close()
	}()
	err = s.Wait()
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		return exit.ExitStatus(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("connection to %s lost: %w", c.Host, err)
	}
	return 0, nil
}

// dial connects to a host that may not be there yet.
func (c Call) dial(ctx context.Context, address string) (net.Conn, error) {
	deadline := time.Now().Add(c.Patience)
	for {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(tryAgain):
		}
	}
}
