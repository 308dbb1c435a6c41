package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpctest "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// with adds routes to a door.
func (d *door) with(t *testing.T, all ...gateway.Route) {
	t.Helper()
	if err := d.gateway.Add(all...); err != nil {
		t.Fatal(err)
	}
}

// behind leads to what stands behind the door, by HTTP/2 without TLS.
func behind(t *testing.T, target string) http.Handler {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: &http.Transport{Protocols: p}}
}

// talker is a service of gRPC that answers each word as it comes.
type talker struct {
	grpctest.UnimplementedTestServiceServer
}

func (talker) UnaryCall(ctx context.Context, r *grpctest.SimpleRequest) (*grpctest.SimpleResponse, error) {
	if r.GetResponseStatus() != nil {
		return nil, status.Error(codes.ResourceExhausted, "too much")
	}
	who := routes.CallerOf(ctx)
	if who == nil { // behind a proxy, which tells nobody
		who = &routes.Caller{Name: "unknown"}
	}
	return &grpctest.SimpleResponse{Username: who.Name, Payload: r.GetPayload()}, grpc.SetTrailer(ctx, metadata.Pairs("ended", "well"))
}

func (talker) FullDuplexCall(s grpc.BidiStreamingServer[grpctest.StreamingOutputCallRequest, grpctest.StreamingOutputCallResponse]) error {
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&grpctest.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// gRPC comes through with its streams, trailers and errors, with TLS and without,
// to a handler and to what stands behind the door.
func TestGRPC(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	within := grpc.NewServer()
	grpctest.RegisterTestServiceServer(within, talker{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = within.Serve(l) }()
	t.Cleanup(within.Stop)
	handlers := map[string]http.Handler{"Handler": within, "Behind": behind(t, "http://"+l.Addr().String())}
	for name, h := range handlers {
		d := newDoor(t)
		d.with(t, gateway.Route{Owner: "weir", Pattern: "/grpc.testing.TestService", Tree: true, Rule: routes.SignedIn, Handler: h})
		for with, safe := range map[string]credentials.TransportCredentials{
			"TLS": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), "Without": insecure.NewCredentials(), //nolint:gosec // The test made the certificate.
		} {
			t.Run(name+with, func(t *testing.T) {
				c, err := grpc.NewClient(strings.TrimPrefix(d.url, "http://"), grpc.WithTransportCredentials(safe))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				d.talks(t, grpctest.NewTestServiceClient(c), name == "Handler")
			})
		}
	}
}

func (d *door) talks(t *testing.T, c grpctest.TestServiceClient, told bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := c.UnaryCall(ctx, &grpctest.SimpleRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("no one is answered %v, want Unauthenticated", err)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+d.withToken(t, "viewer").token, "impersonate-user", "owner")
	long := &grpctest.Payload{Body: make([]byte, 1<<20)}
	var trailer metadata.MD
	a, err := c.UnaryCall(ctx, &grpctest.SimpleRequest{Payload: long}, grpc.Trailer(&trailer))
	if err != nil || len(a.GetPayload().GetBody()) != len(long.Body) || !slices.Equal(trailer["ended"], []string{"well"}) {
		t.Errorf("answer %v, trailer %v, error %v", len(a.GetPayload().GetBody()), trailer, err)
	}
	if told && a.GetUsername() != "viewer" {
		t.Errorf("the service takes the viewer for %q", a.GetUsername())
	}
	if _, err := c.UnaryCall(ctx, &grpctest.SimpleRequest{ResponseStatus: &grpctest.EchoStatus{}}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("an error of the service comes as %v", err)
	}
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // Each is answered before the next is said.
		if err := stream.Send(&grpctest.StreamingOutputCallRequest{Payload: &grpctest.Payload{Body: []byte{byte(i)}}}); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetPayload().GetBody()[0] != byte(i) {
			t.Fatalf("said %d, was answered %v, %v", i, got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ends with %v", err)
	}
}

// What a route has to tell comes as it is told, and ends with the right to it.
func TestEventsComeAsTheyAreSent(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	next := make(chan string)
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case what := <-next:
				fmt.Fprintf(w, "data: %s\n\n", what)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	source := httptest.NewUnstartedServer(tell)
	source.Config.Protocols = new(http.Protocols)
	source.Config.Protocols.SetUnencryptedHTTP2(true)
	source.Start()
	defer source.Close()
	d.with(t,
		gateway.Route{Owner: "weir", Pattern: "GET /events/here", Rule: routes.SignedIn, Handler: tell},
		gateway.Route{Owner: "weir", Pattern: "GET /events/behind", Rule: routes.SignedIn, Handler: behind(t, source.URL)},
	)
	for _, path := range []string{"/events/here", "/events/behind"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprint(path, http2), func(t *testing.T) {
				who := d.signIn(t, "viewer")
				r, err := http.NewRequestWithContext(t.Context(), "GET", d.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				d.sign(who, r)
				p := new(http.Protocols)
				p.SetHTTP1(!http2)
				p.SetUnencryptedHTTP2(http2)
				client := http.Client{Transport: &http.Transport{Protocols: p}, Timeout: 2 * time.Minute}
				a, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				lines := bufio.NewReader(a.Body)
				for _, what := range []string{"one", "two"} {
					next <- what
					if line, err := lines.ReadString('\n'); err != nil || line != "data: "+what+"\n" {
						t.Fatalf("%q, %v, want %s", line, err, what)
					}
					_, _ = lines.ReadString('\n')
				}
				d.ask(t, who, "DELETE", "/session", "")
				if _, err := io.Copy(io.Discard, a.Body); errors.Is(err, context.DeadlineExceeded) {
					t.Error("events come after the sign-out")
				}
			})
		}
	}
}

// A WebSocket talks, and ends with the right to it.
func TestWebSockets(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	echo := websocket.Handler(func(c *websocket.Conn) {
		for said := ""; websocket.Message.Receive(c, &said) == nil; {
			_ = websocket.Message.Send(c, said)
		}
	})
	source := httptest.NewServer(echo)
	defer source.Close()
	u, err := url.Parse(source.URL)
	if err != nil {
		t.Fatal(err)
	}
	d.with(t,
		gateway.Route{Owner: "weir", Pattern: "GET /socket/here", Rule: routes.SignedIn, Handler: echo},
		gateway.Route{Owner: "weir", Pattern: "GET /socket/behind", Rule: routes.SignedIn, Handler: httputil.NewSingleHostReverseProxy(u)},
	)
	for _, path := range []string{"/socket/here", "/socket/behind"} {
		for _, scheme := range []string{"ws", "wss"} {
			t.Run(path+scheme, func(t *testing.T) {
				who := d.signIn(t, "viewer")
				at := scheme + strings.TrimPrefix(d.url, "http") + path
				dial := func(origin string) (*websocket.Conn, error) {
					config, err := websocket.NewConfig(at, origin)
					if err != nil {
						t.Fatal(err)
					}
					config.TlsConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // The test made the certificate.
					_, port, _ := net.SplitHostPort(config.Location.Host)
					config.Header.Set("Cookie", "weir-session-"+port+"="+who.cookie)
					return config.DialContext(t.Context())
				}
				if c, err := dial("http://evil.example"); err == nil {
					c.Close()
					t.Fatal("a page of another site opens a WebSocket")
				}
				c, err := dial(d.url)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
				for _, what := range []string{"one", strings.Repeat("x", 100<<10)} {
					if err := websocket.Message.Send(c, what); err != nil {
						t.Fatal(err)
					}
					var got string
					if err := websocket.Message.Receive(c, &got); err != nil || got != what {
						t.Fatalf("said %.10q, was answered %.10q, %v", what, got, err)
					}
				}
				d.ask(t, who, "DELETE", "/session", "")
				var got string
				var late net.Error
				if err := websocket.Message.Receive(c, &got); err == nil || errors.As(err, &late) && late.Timeout() {
					t.Errorf("after the sign-out the socket is still open: %q, %v", got, err)
				}
			})
		}
	}
}

// A heard is what an upstream was asked.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fmt.Sprintf("%s %s as %s: %q", r.Method, r.URL.Path, strings.Join(r.Header["Impersonate-User"], "+"), body))
	_, _ = io.WriteString(w, "heard")
}

func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

// What two servers might take for one request or for two comes through as one, or
// not at all: no request is smuggled in the body of another.
func TestSmuggling(t *testing.T) {
	upstream := &heard{}
	source := httptest.NewServer(upstream)
	defer source.Close()
	address, token := doorBefore(t, source.URL)

	const inner = "GET /api/smuggled HTTP/1.1\r\nHost: x\r\nImpersonate-User: root\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(inner))
	own := "POST /api/own HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n"
	whole := fmt.Sprintf("POST /api/own as ada: %q", inner)
	empty := `POST /api/own as ada: ""`
	for name, c := range map[string]struct {
		sent string
		want []string // that the upstream hears
	}{
		"Body":             {own + length + "\r\n" + inner, []string{whole}},
		"LengthAndChunked": {own + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, []string{empty}},
		"ChunkedAndLength": {own + "Transfer-Encoding: chunked\r\n" + "Content-Length: 4\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner), []string{whole}},
		"TwoLengths":       {own + "Content-Length: 0\r\n" + length + "\r\n" + inner, nil},
		"LengthWithPlus":   {own + "Content-Length: +0\r\n\r\n" + inner, nil},
		"LengthList":       {own + fmt.Sprintf("Content-Length: 0, %d\r\n\r\n", len(inner)) + inner, nil},
		"UnknownCoding":    {own + length + "Transfer-Encoding: xchunked\r\n\r\n" + inner, nil},
		"CodingTwice":      {own + length + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + inner, nil},
		"SpaceBeforeColon": {own + length + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner, nil},
		"FoldedCoding":     {own + length + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner, []string{empty}},
		"NewlineInValue":   {own + "X: a\nImpersonate-User: root\r\n" + length + "\r\n" + inner, []string{whole}},
		"ReturnInValue":    {own + "X: a\rImpersonate-User: root\r\n" + length + "\r\n" + inner, nil},
		"ZeroInName":       {own + "X\x00: a\r\n" + length + "\r\n" + inner, nil},
		"NewlineInPath":    {strings.Replace(own, "/api/own", "/api/own%0d%0aImpersonate-User:%20root", 1) + length + "\r\n" + inner, []string{strings.Replace(whole, "/api/own", "/api/own\r\nImpersonate-User: root", 1)}},
		"AbsoluteForm":     {strings.Replace(own, "/api/own", "http://evil.example/api/own", 1) + length + "\r\n" + inner, []string{whole}},
		"Connect":          {strings.Replace(own, "POST /api/own", "CONNECT "+strings.TrimPrefix(source.URL, "http://"), 1) + "\r\n" + inner, nil},
		"ConnectPath":      {strings.Replace(own, "POST", "CONNECT", 1) + "\r\n" + inner, []string{`CONNECT /api/own as ada: ""`}},
		"Asterisk":         {strings.Replace(own, "POST /api/own", "OPTIONS *", 1) + "\r\n", nil},
		"NoHost":           {strings.Replace(own, "Host: x\r\n", "", 1) + "\r\n", nil},
		"TwoHosts":         {strings.Replace(own, "Host: x\r\n", "Host: x\r\nHost: y\r\n", 1) + "\r\n", nil},
		"OldProtocol":      {strings.Replace(own, "HTTP/1.1", "HTTP/0.9", 1) + "\r\n", nil},
		"ExpectsMore":      {own + length + "Expect: 200-later\r\n\r\n" + inner, nil},
		"UpgradeWithBody":  {own + length + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + inner, []string{whole}},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// What follows is the client's own, and says that all before it was read.
			if _, err := io.WriteString(conn, c.sent+"GET /api/last HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, _ = io.Copy(io.Discard, conn)
			got := slices.DeleteFunc(upstream.take(), func(said string) bool { return said == `GET /api/last as ada: ""` })
			if !slices.Equal(got, c.want) {
				t.Errorf("the upstream hears %q, want %q", got, c.want)
			}
		})
	}
}

// doorBefore is a door before what answers as the API server, and ada's token for it.
func doorBefore(t *testing.T, url string) (address, token string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	users, err := identity.New(ctx, clustertest.REST(t))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err = users.NewToken(ctx, identity.Subject{User: "ada", Foreign: true}, "test", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{REST: &rest.Config{Host: url}, Identity: users, Pages: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.Serve(ctx, l) }()
	return l.Addr().String(), token
}

// An answer comes whole, also while what was asked is still on its way and nobody
// has read it.
func TestAnswersBeforeTheQuestionsEnd(t *testing.T) {
	const size = 8 << 20
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // so that Go's server waits for nothing
		_, _ = io.CopyN(w, zero{}, size)
	}))
	defer source.Close()
	address, token := doorBefore(t, source.URL)
	for name, head := range map[string]string{"Length": "Content-Length: 8\r\n\r\nhalf", "Chunked": "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprint(conn, "POST /api/long HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n"+head)
			a, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if n, err := io.Copy(io.Discard, a.Body); err != nil || n != size {
				t.Errorf("%d bytes of %d came, %v", n, size, err)
			}
		})
	}
}

// grown watches how much memory the process has got from the machine beyond what
// it had, until the function that it returns is called.
func grown(t *testing.T) func() uint64 {
	t.Helper()
	read := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64() - s[1].Value.Uint64()
	}
	before := read()
	most := make(chan uint64)
	end := make(chan struct{})
	go func() {
		top := before
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				top = max(top, read())
			case <-end:
				most <- max(top, read()) - before
				return
			}
		}
	}()
	return func() uint64 { close(end); return <-most }
}

// zeros are so many bytes of nothing.
func zeros(size int64) io.Reader { return io.LimitReader(zero{}, size) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What is longer than the memory comes through in pieces, to S3 and to what reads
// slowly, and back.
func TestLongBodiesAreNotKept(t *testing.T) {
	const size, most = 512 << 20, 96 << 20
	d := newDoor(t)
	d.people(t)
	who := d.signIn(t, "editor")
	path := "/weir/s3/" + theirs + "-data/large"
	defer d.ask(t, who, "DELETE", path, "")
	r, err := http.NewRequestWithContext(t.Context(), "PUT", d.url+path, zeros(size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	d.sign(who, r)
	taken := grown(t)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(a.Body)
	a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("upload: %s %s", a.Status, said)
	}
	if got := taken(); got > most {
		t.Errorf("the upload of %d MB took %d MB of memory", size>>20, got>>20)
	}
	taken = grown(t)
	r, err = http.NewRequestWithContext(t.Context(), "GET", d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.sign(who, r)
	if a, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if n, err := io.Copy(io.Discard, a.Body); err != nil || n != size {
		t.Errorf("came back: %d bytes, %v", n, err)
	}
	if got := taken(); got > most {
		t.Errorf("the download of %d MB took %d MB of memory", size>>20, got>>20)
	}
}

// Who reads slowly, or not at all, is not read ahead for, and keeps nobody waiting.
func TestSlowReaders(t *testing.T) {
	const readers, size, most = 20, 64 << 20, 96 << 20
	d := newDoor(t)
	d.people(t)
	who := d.signIn(t, "editor")
	path := "/weir/s3/" + theirs + "-data/slow"
	r, err := http.NewRequestWithContext(t.Context(), "PUT", d.url+path, zeros(size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	if a := d.send(t, who, r); a.code != http.StatusOK {
		t.Fatalf("upload: %d %s", a.code, a.body)
	}
	taken := grown(t)
	for range readers {
		c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, port, _ := net.SplitHostPort(c.RemoteAddr().String())
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nCookie: weir-session-%s=%s\r\n\r\n", path, port, port, who.cookie)
		if line, err := bufio.NewReaderSize(c, 16).ReadSlice(' '); err != nil || string(line) != "HTTP/1.1 " {
			t.Fatalf("answer %q, %v", line, err)
		}
	}
	for range 100 {
		if a := d.ask(t, who, "GET", "/session", ""); a.code != http.StatusOK {
			t.Fatalf("beside slow readers: %d", a.code)
		}
	}
	if got := taken(); got > most {
		t.Errorf("%d who do not read on take %d MB", readers, got>>20)
	}
}
