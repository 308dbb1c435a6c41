package s3

import (
	"context"
	"net"
	"time"
)

// awaitSocket returns when somebody answers on the socket.
func awaitSocket(ctx context.Context, socket string, failed <-chan error) error {
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
