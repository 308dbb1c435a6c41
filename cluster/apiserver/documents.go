package apiserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emicklei/go-restful/v3"
	apiextensionshelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	listers "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	crdbuilder "k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/apimachinery/pkg/labels"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/kube-openapi/pkg/builder"
	"k8s.io/kube-openapi/pkg/cached"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Upstream builds the documents of all kinds (OpenAPI, in two versions of it) before
// it serves, and keeps them: half of what a start allocates, and a fourth of what
// stays in memory. Here each is built when somebody asks for it. What changes with
// a document, its stamp, takes the place of its hash, for which it would have to
// be there.

// source is what documents come from.
type source interface {
	// stamps maps the name of each group and version, such as apis/apps/v1, to
	// what is another when its document is.
	stamps() (map[string]string, error)
	// third yields what serves the document of one group and version.
	third(name string) (*handler3.OpenAPIService, error)
	// second yields the one document of all groups.
	second() (*spec.Swagger, error)
}

// documents serve /openapi/v2 and /openapi/v3 of one server in the chain.
type documents struct {
	source

	mu    sync.Mutex
	built map[string]built
	whole cached.Result[*spec.Swagger]
}

type built struct {
	stamp   string
	service *handler3.OpenAPIService
}

// document has a server answer with documents. It must not install its own.
func document(server *genericapiserver.GenericAPIServer, from source) {
	d := &documents{source: from, built: map[string]built{}}
	m := server.Handler.NonGoRestfulMux
	m.Handle("/openapi/v3", http.HandlerFunc(d.list))
	m.HandlePrefix("/openapi/v3/", http.HandlerFunc(d.one))
	handler.NewOpenAPIServiceLazy(cached.Func(d.all)).RegisterOpenAPIVersionedService("/openapi/v2", m)
}

// list answers which documents there are, and where.
func (d *documents) list(w http.ResponseWriter, r *http.Request) {
	stamps, err := d.stamps()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	list := handler3.OpenAPIV3Discovery{Paths: make(map[string]handler3.OpenAPIV3DiscoveryGroupVersion, len(stamps))}
	for name, stamp := range stamps {
		list.Paths[name] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: address(name, stamp)}
	}
	body, err := json.Marshal(list)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Etag", strconv.Quote(digest(string(body))))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// address is where a document lies. With another stamp it is another address, and
// so may be kept for good by who asks.
func address(name, stamp string) string {
	return "/openapi/v3/" + name + "?" + url.Values{"hash": {stamp}}.Encode()
}

// one answers with the document of one group and version.
func (d *documents) one(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/openapi/v3/")
	stamps, err := d.stamps()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	stamp, ok := stamps[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if hash := r.URL.Query().Get("hash"); hash == stamp {
		w.Header().Set("Cache-Control", "public, immutable")
		w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
	} else if hash != "" {
		http.Redirect(w, r, address(name, stamp), http.StatusMovedPermanently)
		return
	}
	service, err := d.get(name, stamp)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	plain := r.Clone(r.Context())
	plain.URL.RawQuery = "" // or the hash would be compared with the document's own
	service.HandleGroupVersion(w, plain)
}

func (d *documents) get(name, stamp string) (*handler3.OpenAPIService, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b, ok := d.built[name]; ok && b.stamp == stamp {
		return b.service, nil
	}
	service, err := d.third(name)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", name, err)
	}
	d.built[name] = built{stamp, service}
	return service, nil
}

// all is the document of all groups, and the stamp of all.
func (d *documents) all() (*spec.Swagger, string, error) {
	stamps, err := d.stamps()
	if err != nil {
		return nil, "", err
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(stamps)) {
		lines = append(lines, name+" "+stamps[name])
	}
	stamp := digest(lines...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.whole.Value == nil || d.whole.Etag != stamp {
		d.whole = cached.Result[*spec.Swagger]{Etag: stamp}
		d.whole.Value, d.whole.Err = d.second()
	}
	return d.whole.Get()
}

func digest(lines ...string) string {
	return fmt.Sprintf("%X", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
}

// routesOf are what a server has in its program. They change with the program only.
type routesOf struct {
	services map[string]*restful.WebService // by the name of group and version
	config   *genericapiserver.Config
	program  string
}

func newRoutes(server *genericapiserver.GenericAPIServer, config *genericapiserver.Config) *routesOf {
	r := &routesOf{services: map[string]*restful.WebService{}, config: config, program: digest("unknown")}
	if info, ok := debug.ReadBuildInfo(); ok {
		r.program = digest(info.String())
	}
	for _, s := range server.Handler.GoRestfulContainer.RegisteredWebServices() {
		r.services[strings.TrimPrefix(s.RootPath(), "/")] = s
	}
	return r
}

func (r *routesOf) stamps() (map[string]string, error) {
	stamps := make(map[string]string, len(r.services))
	for name := range r.services {
		stamps[name] = r.program
	}
	return stamps, nil
}

func (r *routesOf) third(name string) (*handler3.OpenAPIService, error) {
	alone := restful.NewContainer().Add(r.services[name])
	return routes.OpenAPI{V3Config: r.config.OpenAPIV3Config}.InstallV3(alone, mux.NewPathRecorderMux(name)), nil
}

func (r *routesOf) second() (*spec.Swagger, error) {
	services := slices.Collect(maps.Values(r.services))
	d, err := builder.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices(services), r.config.OpenAPIConfig)
	if err != nil {
		return nil, fmt.Errorf("document %d groups: %w", len(services), err)
	}
	d.Definitions = handler.PruneDefaults(d.Definitions)
	return d, nil
}

// kindsBeside are the kinds that users have defined, as they are at the time,
// beside what the server has in its program.
type kindsBeside struct {
	*routesOf
	kinds listers.CustomResourceDefinitionLister
}

// each calls do for every version that is served, sorted by the names of kinds.
func (k *kindsBeside) each(do func(name string, d *apiextensionsv1.CustomResourceDefinition, version string) error) error {
	all, err := k.kinds.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list kinds: %w", err)
	}
	slices.SortFunc(all, func(a, b *apiextensionsv1.CustomResourceDefinition) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range all {
		if !apiextensionshelpers.IsCRDConditionTrue(d, apiextensionsv1.Established) {
			continue
		}
		for _, v := range d.Spec.Versions {
			if !v.Served {
				continue
			}
			if err := do("apis/"+d.Spec.Group+"/"+v.Name, d, v.Name); err != nil {
				return fmt.Errorf("document %s %s: %w", d.Name, v.Name, err)
			}
		}
	}
	return nil
}

func (k *kindsBeside) stamps() (map[string]string, error) {
	stamps, err := k.routesOf.stamps()
	if err != nil {
		return nil, err
	}
	stamps = maps.Clone(stamps)
	of := map[string][]string{}
	err = k.each(func(name string, d *apiextensionsv1.CustomResourceDefinition, _ string) error {
		of[name] = append(of[name], fmt.Sprintf("%s %d", d.UID, d.Generation))
		return nil
	})
	for name, kinds := range of {
		stamps[name] = digest(append(kinds, stamps[name])...)
	}
	return stamps, err
}

func (k *kindsBeside) third(name string) (*handler3.OpenAPIService, error) {
	var parts []*spec3.OpenAPI
	err := k.each(func(of string, d *apiextensionsv1.CustomResourceDefinition, version string) error {
		if of != name {
			return nil
		}
		part, err := crdbuilder.BuildOpenAPIV3(d, version, crdbuilder.Options{IncludeSelectableFields: true})
		parts = append(parts, part)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return k.routesOf.third(name)
	}
	merged, err := crdbuilder.MergeSpecsV3(parts...)
	if err != nil {
		return nil, err
	}
	service := handler3.NewOpenAPIService()
	service.UpdateGroupVersion(name, merged)
	return service, nil
}

func (k *kindsBeside) second() (*spec.Swagger, error) {
	static, err := k.routesOf.second()
	if err != nil {
		return nil, err
	}
	var parts []*spec.Swagger
	err = k.each(func(_ string, d *apiextensionsv1.CustomResourceDefinition, version string) error {
		part, err := crdbuilder.BuildOpenAPIV2(d, version, crdbuilder.Options{V2: true, IncludeSelectableFields: true})
		if err != nil {
			return err
		}
		part.Definitions = handler.PruneDefaults(part.Definitions)
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return crdbuilder.MergeSpecs(static, parts...)
}
