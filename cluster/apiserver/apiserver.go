// Package apiserver runs upstream's kube-apiserver in the process: its chain of
// extension, core and aggregation servers, built by hand so that slow steps of
// its start can be done faster (see bootstrap.go) or later (see documents.go).
package apiserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/weir-ml/weir/cluster/pki"
)

// Config is all that differs between one API server and another.
type Config struct {
	// Listener takes the requests. Its port must also lead here on
	// 127.0.0.1 of this process's network namespace: the server talks to itself.
	Listener net.Listener
	// Advertise is the address by which pods reach the server.
	Advertise net.IP
	// EtcdEndpoint is where etcd serves.
	EtcdEndpoint string
	// ServiceRange holds the addresses of services.
	ServiceRange net.IPNet
	// Issuer is the name under which tokens of service accounts are issued.
	Issuer string

	// Authority signs every certificate; FrontProxy those of servers that
	// stand in for a user, and nothing else.
	Authority, FrontProxy               *pki.Authority
	Serving, KubeletClient, ProxyClient pki.Pair
	SigningKey                          string

	// Kinds yields CustomResourceDefinitions, in JSON, that the server knows from
	// its first moment when it has known none before. It may be nil, and is asked
	// when they are needed.
	Kinds func() ([][]byte, error)

	// AuditLog is the file that takes who did what. Empty means none.
	AuditLog string
}

// A Server is a running API server.
type Server struct {
	handler http.Handler
	ready   chan struct{}
	done    chan error
}

// Ready is closed once /readyz says ok.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Done yields once, when the server has ended: nil if it was asked to.
func (s *Server) Done() <-chan error { return s.done }

// Start runs an API server until ctx ends.
func Start(ctx context.Context, c Config) (*Server, error) {
	o, err := optionsOf(c)
	if err != nil {
		return nil, fmt.Errorf("start API server: %w", err)
	}
	failed := make(chan error, 1)
	prepared, handler, loopback, err := prepare(ctx, o, c.Kinds, failed)
	if err != nil {
		return nil, fmt.Errorf("start API server: %w", err)
	}

	s := &Server{handler: handler, ready: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		ran := make(chan error, 1)
		go func() { ran <- prepared.Run(ctx) }()
		select {
		case err := <-ran:
			s.done <- err
		case err := <-failed:
			s.done <- err
		}
	}()
	go s.waitUntilReady(ctx, loopback)
	return s, nil
}

// goodbye is how long requests may still take when the server ends. Upstream's
// minute is for other servers to take over; here who still watches is in this
// process, and ends too.
const goodbye = time.Second

type runnable interface {
	Run(ctx context.Context) error
}

func prepare(ctx context.Context, o *options.ServerRunOptions, kinds func() ([][]byte, error), failed chan<- error) (runnable, http.Handler, *rest.Config, error) {
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, nil, nil, err
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, nil, nil, utilerrors.NewAggregate(errs)
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, nil, nil, err
	}
	if kinds != nil {
		if err := storeKinds(ctx, config.ApiExtensions, kinds); err != nil {
			return nil, nil, nil, err
		}
	}
	generic := config.KubeAPIs.ControlPlane.Generic
	if err := replaceHooks(generic, failed); err != nil {
		return nil, nil, nil, err
	}
	// The aggregator comes first in the chain, and asks the others by itself.
	aggregator := &config.Aggregator.GenericConfig.Config
	build := aggregator.BuildHandlerChainFunc
	aggregator.BuildHandlerChainFunc = func(api http.Handler, c *genericapiserver.Config) http.Handler {
		c.Authentication.Authenticator = remember(c.Authentication.Authenticator)
		return withPrecedence(build(api, c), c.RequestInfoResolver)
	}
	server, err := chain(config)
	if err != nil {
		return nil, nil, nil, err
	}
	server.GenericAPIServer.ShutdownTimeout = goodbye
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, nil, nil, err
	}
	return prepared, server.GenericAPIServer.Handler, generic.LoopbackClientConfig, nil
}

// replaceHooks puts our hooks in the place of upstream's. One that fails tells
// failed: its error, returned to upstream's code, would end the process.
func replaceHooks(c *genericapiserver.Config, failed chan<- error) error {
	for name, hook := range map[string]genericapiserver.PostStartHookFunc{
		"rbac/bootstrap-roles":                         bootstrapRoles,
		"scheduling/bootstrap-system-priority-classes": bootstrapPriorityClasses,
	} {
		c.DisabledPostStartHooks.Insert(name)
		err := c.AddPostStartHook("weir/"+filepath.Base(name), func(ctx genericapiserver.PostStartHookContext) error {
			if err := hook(ctx); err != nil {
				select {
				case failed <- err:
				default: // another has failed before
				}
				<-ctx.Done()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func optionsOf(c Config) (*options.ServerRunOptions, error) {
	o := options.NewServerRunOptions()

	o.SecureServing.Listener = c.Listener
	o.SecureServing.ServerCert.CertKey.CertFile = c.Serving.CertFile
	o.SecureServing.ServerCert.CertKey.KeyFile = c.Serving.KeyFile
	o.GenericServerRunOptions.AdvertiseAddress = c.Advertise
	// Flow control costs start-up time and memory, and protects one tenant of
	// a large cluster from another. Plain limits on requests in flight do here.
	o.Features.EnablePriorityAndFairness = false
	o.GenericServerRunOptions.MaxRequestsInFlight = 4000
	o.GenericServerRunOptions.MaxMutatingRequestsInFlight = 2000
	o.GenericServerRunOptions.ShutdownSendRetryAfter = false
	o.Etcd.StorageConfig.Transport.ServerList = []string{c.EtcdEndpoint}

	o.AllowPrivileged = true
	o.ServiceClusterIPRanges = c.ServiceRange.String()
	o.KubeletConfig.PreferredAddressTypes = []string{"InternalIP"}
	o.KubeletConfig.TLSClientConfig.CertFile = c.KubeletClient.CertFile
	o.KubeletConfig.TLSClientConfig.KeyFile = c.KubeletClient.KeyFile
	o.KubeletConfig.TLSClientConfig.CAFile = c.Authority.CertFile()

	o.Authorization.Modes = []string{"Node", "RBAC"}
	o.Admission.GenericAdmission.EnablePlugins = []string{"NodeRestriction"}
	o.Authentication.ClientCert.ClientCA = c.Authority.CertFile()
	o.Authentication.RequestHeader.ClientCAFile = c.FrontProxy.CertFile()
	o.Authentication.RequestHeader.AllowedNames = []string{FrontProxyName}
	o.Authentication.RequestHeader.UsernameHeaders = []string{"X-Remote-User"}
	o.Authentication.RequestHeader.UIDHeaders = []string{"X-Remote-Uid"}
	o.Authentication.RequestHeader.GroupHeaders = []string{"X-Remote-Group"}
	o.Authentication.RequestHeader.ExtraHeaderPrefixes = []string{"X-Remote-Extra-"}
	o.Authentication.ServiceAccounts.Issuers = []string{c.Issuer}
	o.Authentication.ServiceAccounts.KeyFiles = []string{c.SigningKey}
	o.ServiceAccountSigningKeyFile = c.SigningKey
	o.ProxyClientCertFile = c.ProxyClient.CertFile
	o.ProxyClientKeyFile = c.ProxyClient.KeyFile
	// Webhooks and aggregated APIs are reached at their pods, not through a
	// service address: so they work before, and without, a service proxy.
	o.EnableAggregatorRouting = true

	if c.AuditLog != "" {
		policy, err := auditPolicyFile(filepath.Dir(c.AuditLog))
		if err != nil {
			return nil, err
		}
		o.Audit.PolicyFile = policy
		o.Audit.LogOptions.Path = c.AuditLog
		o.Audit.LogOptions.MaxSize, o.Audit.LogOptions.MaxBackups = 20, 3
	}
	return o, nil
}

// FrontProxyName is the one name that FrontProxy's certificates may bear.
const FrontProxyName = "front-proxy-client"

// auditPolicy keeps who changed what and who looked at secrets, without bodies;
// it leaves out the heartbeats of the cluster itself.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}, {group: events.k8s.io}, {group: "", resources: [events]}]
- level: None
  userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
- level: Metadata
  resources: [{group: "", resources: [secrets, "serviceaccounts/token"]}]
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

func auditPolicyFile(dir string) (string, error) {
	file := filepath.Join(dir, "audit-policy.yaml")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(auditPolicy), 0o600)
}

func (s *Server) waitUntilReady(ctx context.Context, loopback *rest.Config) {
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return // The server's own client config is made by itself, and works or the server does not start.
	}
	readyz := client.Discovery().RESTClient().Get().AbsPath("/readyz")
	for ctx.Err() == nil {
		if body, err := readyz.DoRaw(ctx); err == nil && string(body) == "ok" {
			close(s.ready)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}
